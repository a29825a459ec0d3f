//! Made-up services: a gate calls a shop, the shop a cart and a bank.

use std::sync::Arc;
use std::time::Duration;

use super::{FindingKind, Witness};
use crate::core::event::{Class, Sign};
use crate::core::record::{
    Metric, Point, Reading, Resource, Severity, Span, SpanId, Spans, StreamKey, Timestamp, TraceId,
};

/// What is different about the requests of a stretch of time, in milliseconds.
#[derive(Clone, Copy, Default)]
struct Odd {
    /// What each packet to and from the cart takes longer.
    cart_packets: u64,
    /// What the bank itself takes longer.
    bank_work: u64,
    /// The shop does not call the bank any more.
    no_bank: bool,
    /// The bank fails, at every so-manieth request; never at 0.
    bank_fails: u64,
}

struct Town {
    witness: Witness,
    now: u64,
    signs: Vec<Sign>,
}

fn id(trace: u64, span: u8) -> (TraceId, SpanId) {
    let mut bytes = [1; 16];
    bytes[..8].copy_from_slice(&(trace + 1).to_be_bytes());
    let span = [span + 1, 0, 0, 0, 0, 0, 0, 1];
    (
        TraceId::from_bytes(&bytes).unwrap(),
        SpanId::from_bytes(&span).unwrap(),
    )
}

impl Town {
    fn new() -> Self {
        Self {
            witness: Witness::default(),
            now: 1_800_000_000_000,
            signs: Vec::new(),
        }
    }

    /// A request every second.
    fn live(&mut self, seconds: u64, odd: Odd) {
        for _ in 0..seconds {
            self.now += 1_000;
            self.request(odd);
            let now = Timestamp::from_millis(self.now);
            self.signs.extend(self.witness.advance(now));
        }
    }

    fn request(&mut self, odd: Odd) {
        let jitter = self.now / 1_000 * 7 % 3;
        let way = 2 + jitter;
        // The cart asks a store for what it needs: that way is slow too.
        let cart = 10 + jitter;
        let to_cart = way + 2 * odd.cart_packets;
        let cart_and_store = cart + 4 + 2 * odd.cart_packets;
        let bank = 20 + jitter + odd.bank_work;
        let asked_bank = if odd.no_bank { 0 } else { bank + way };
        let shop = 5 + to_cart + cart_and_store + asked_bank;
        self.span("gate", (0, None), "GET /", shop + way + 1);
        self.span("gate", (1, Some(0)), "call", shop + way);
        self.span("shop", (2, Some(1)), "POST /buy", shop);
        self.span("shop", (3, Some(2)), "call", cart_and_store + to_cart);
        self.span("cart", (4, Some(3)), "GET /cart", cart_and_store);
        self.span("cart", (7, Some(4)), "ask", 4 + 2 * odd.cart_packets);
        self.span("store", (8, Some(7)), "SELECT", 2);
        if !odd.no_bank {
            self.span("shop", (5, Some(2)), "call", asked_bank);
            self.span("bank", (6, Some(5)), "POST /pay", bank);
            let second = self.now / 1_000;
            if odd.bank_fails > 0 && second.is_multiple_of(odd.bank_fails) {
                self.failed_span("bank", (9, Some(6)), "charge");
            }
        }
    }

    fn failed_span(&mut self, service: &str, ids: (u8, Option<u8>), name: &str) {
        self.sent(service, ids, name, (1, true));
    }

    fn span(&mut self, service: &str, ids: (u8, Option<u8>), name: &str, millis: u64) {
        self.sent(service, ids, name, (millis, false));
    }

    fn sent(
        &mut self,
        service: &str,
        (span, parent): (u8, Option<u8>),
        name: &str,
        (millis, is_error): (u64, bool),
    ) {
        let (trace_id, span_id) = id(self.now, span);
        let pod = format!("{service}-1");
        let resource = Resource::new(vec![
            ("service.name".into(), service.into()),
            ("k8s.pod.name".into(), pod.into()),
        ]);
        let spans = Spans {
            stream: StreamKey::named(service),
            resource: Arc::new(resource),
            spans: vec![Span {
                trace_id,
                span_id,
                parent: parent.map(|parent| id(self.now, parent).1),
                name: name.into(),
                start: Some(Timestamp::from_millis(self.now + u64::from(span))),
                duration: Duration::from_millis(millis),
                is_error,
            }],
        };
        self.witness.spans(&spans, Timestamp::from_millis(self.now));
    }

    /// Who the signs of a kind are about, each once.
    fn blamed(&self, kind: FindingKind) -> Vec<String> {
        let of_kind = self.signs.iter().filter(|sign| *sign.kind == *kind.name());
        let mut names: Vec<String> = of_kind.map(|sign| sign.stream.name.to_string()).collect();
        names.sort();
        names.dedup();
        names
    }
}

#[test]
fn slow_packets_of_one_pod_are_blamed_on_it_and_not_on_its_neighbours() {
    let mut town = Town::new();
    town.live(900, Odd::default());
    assert_eq!(town.signs, [], "all was well");
    let odd = Odd {
        cart_packets: 100,
        ..Odd::default()
    };
    town.live(150, odd);
    assert_eq!(town.blamed(FindingKind::Gap), ["cart"]);
    assert_eq!(town.blamed(FindingKind::OwnTime), Vec::<String>::new());
}

#[test]
fn slow_packets_are_told_of_while_most_calls_of_the_stretch_are_still_fast() {
    let mut town = Town::new();
    town.live(905, Odd::default());
    let odd = Odd {
        cart_packets: 100,
        ..Odd::default()
    };
    // 65 s of this stretch were well.
    town.live(50, odd);
    assert_eq!(town.blamed(FindingKind::Gap), ["cart"]);
    let told = town.signs.first().unwrap();
    assert!(told.says.contains("slow ones of"), "{}", told.says);
}

/// A gate with ten services behind it, each of which is called every ten seconds.
fn wide_town(slow: impl Fn(u64) -> bool) -> Town {
    let mut town = Town::new();
    for second in 0..1_024 {
        town.now += 1_000;
        let nth = second % 10;
        let odd = if second >= 966 && slow(nth) { 300 } else { 0 };
        let way = 2 + town.now / 1_000 * 7 % 3 + odd;
        let service = format!("service-{nth}");
        town.span("gate", (0, None), "GET /", 12 + way);
        town.span("gate", (1, Some(0)), "call", 10 + way);
        town.span(&service, (2, Some(1)), "GET", 10);
        let now = Timestamp::from_millis(town.now);
        town.signs.extend(town.witness.advance(now));
    }
    town
}

#[test]
fn a_slow_gate_shows_in_all_its_ways_together_though_none_has_many_calls() {
    let town = wide_town(|_| true);
    assert_eq!(town.blamed(FindingKind::Gap), ["gate"]);
    assert!(town.signs.len() >= 5, "{}", town.signs.len());
}

#[test]
fn five_slow_calls_of_one_way_are_no_sign() {
    assert_eq!(wide_town(|nth| nth == 3).signs, []);
}

#[test]
fn a_service_that_works_longer_is_blamed_and_those_that_wait_for_it_are_not() {
    let mut town = Town::new();
    town.live(900, Odd::default());
    let odd = Odd {
        bank_work: 200,
        ..Odd::default()
    };
    town.live(150, odd);
    assert_eq!(town.blamed(FindingKind::OwnTime), ["bank"]);
    assert_eq!(town.blamed(FindingKind::Gap), Vec::<String>::new());
}

#[test]
fn a_call_that_stays_away_is_told_of_the_caller() {
    let mut town = Town::new();
    town.live(900, Odd::default());
    let odd = Odd {
        no_bank: true,
        ..Odd::default()
    };
    town.live(150, odd);
    assert_eq!(town.blamed(FindingKind::Missing), ["shop"]);
    let told = town.signs.first().unwrap();
    assert!(told.says.contains("before in"), "{}", told.says);
}

#[test]
fn a_service_that_fails_more_often_is_told_of_with_how_often() {
    let mut town = Town::new();
    let now_and_then = Odd {
        bank_fails: 50,
        ..Odd::default()
    };
    town.live(900, now_and_then);
    assert_eq!(town.signs, [], "that is how it is");
    let odd = Odd {
        bank_fails: 2,
        ..Odd::default()
    };
    town.live(150, odd);
    assert_eq!(town.blamed(FindingKind::Errors), ["bank"]);
    let errors = FindingKind::Errors.name();
    let told = town
        .signs
        .iter()
        .find(|sign| *sign.kind == *errors)
        .unwrap();
    assert!(told.says.contains("“POST /pay” fails in"), "{}", told.says);
    assert_eq!((told.severity, told.class), (Severity::Error, Class::Error));
}

#[test]
fn one_odd_client_that_fails_is_not_told_of() {
    let mut town = Town::new();
    town.live(900, Odd::default());
    let odd = Odd {
        bank_fails: 5,
        ..Odd::default()
    };
    town.live(300, odd);
    assert_eq!(town.blamed(FindingKind::Errors), Vec::<String>::new());
}

#[test]
fn a_clock_that_jumps_tells_nothing() {
    let mut town = Town::new();
    town.live(900, Odd::default());
    let day = 86_400_000;
    for jump in [400 * day, 0, 800 * day, 400 * day] {
        town.now = 1_800_000_000_000 - 400 * day + jump + town.now % 1_000_000;
        town.live(130, Odd::default());
    }
    assert_eq!(town.signs, []);
}

#[test]
fn the_same_input_gives_the_same_signs_also_from_a_snapshot() {
    let play = |through_snapshot: bool| {
        let mut town = Town::new();
        town.live(900, Odd::default());
        town.live(20, Odd::default());
        if through_snapshot {
            // Open traces are not kept: the ones that matter come later.
            town.witness.finish();
            let bytes = postcard::to_allocvec(&town.witness).unwrap();
            town.witness = postcard::from_bytes(&bytes).unwrap();
        } else {
            town.witness.finish();
        }
        let odd = Odd {
            bank_work: 200,
            ..Odd::default()
        };
        town.live(150, odd);
        town.signs
    };
    assert!(!play(false).is_empty());
    assert_eq!(play(false), play(false));
    assert_eq!(play(false), play(true));
}

#[test]
fn a_pod_that_uses_up_its_cpu_is_a_sign_and_one_that_idles_is_not() {
    let mut witness = Witness::default();
    let mut signs = Vec::new();
    for minute in 0..90_u64 {
        let now = Timestamp::from_millis(1_800_000_000_000 + minute * 60_000);
        for pod in 0..8_u64 {
            let wobble = (minute * 7 + pod * 3) % 5;
            let used = if pod == 3 && minute >= 86 {
                0.95
            } else {
                0.05 + 0.002 * wobble as f64
            };
            let name = format!("shop-{pod}");
            let resource = Resource::new(vec![("k8s.pod.name".into(), name.into())]);
            let metric = Metric {
                stream: StreamKey::named("shop"),
                resource: Arc::new(resource),
                name: "k8s.pod.cpu_limit_utilization".into(),
                points: vec![Point {
                    attributes: Resource::default(),
                    time: Some(now),
                    reading: Reading::Number(used),
                }],
            };
            witness.metric(&metric, now);
        }
        signs.extend(witness.advance(now));
    }
    assert!(!signs.is_empty());
    assert!(
        signs
            .iter()
            .all(|sign| sign.resource.get("k8s.pod.name") == Some("shop-3"))
    );
}
