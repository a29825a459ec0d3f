//! Who an attacker claims to be. A token may say which service somebody sends for; here nobody stops anything.

use crate::dice::Dice;
use crate::town::{ATTACKER, OWN, Pod, Town, VAULT};
use crate::wire::Claims;

/// Who somebody claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// Its own pod.
    Own,
    /// A healthy pod that may be touched, in every attribute.
    Victim,
    /// The same, without its uid.
    NoUid,
    /// The same, with the uid of a pod that is long gone.
    OldUid,
    /// The same, with the uid of another pod of the workload.
    OtherUid,
    /// A victim's pod, but another workload's name.
    OtherWorkload,
    /// A victim's workload, and no pod.
    NoPod,
    /// A pod of a workload that stands in for another pod of it.
    Large,
    /// A pod whose own label forbids it.
    OptedOut,
    /// A pod in a namespace without a label, with labels of its own making.
    Unlabelled,
    /// A pod of Kubernetes.
    System,
    /// A pod of knothole.
    Knothole,
    /// A pod in a namespace that is never to be touched.
    Denied,
    /// A pod of a DaemonSet.
    DaemonSet,
    /// A pod of a StatefulSet.
    StatefulSet,
    /// A pod without an owner.
    Bare,
    /// Something that is not there.
    Ghost,
    /// Names that are none.
    Hostile,
    /// Attributes twice, the other ones last.
    Twice,
    /// All services in turn.
    Crowd,
    /// A service that nobody has heard of, another one each time.
    Swarm,
    /// A pod of this workload that is not Ready.
    Sick(&'static str, &'static str),
    /// A pod of this workload that is Ready.
    Well(&'static str, &'static str),
}

/// Names that somebody might read as "all", or as a path.
const HOSTILE: [&str; 12] = [
    "*",
    "",
    "../../kube-system/pods/dns",
    "cart/eviction?x=",
    "cart\n",
    "CART",
    "cart%2f..%2fpay",
    "\u{441}art",
    "cart,pay",
    "{\"$ne\":null}",
    "cart\u{0}",
    "-cart",
];

impl Face {
    pub(crate) const ALL: [Self; 21] = [
        Self::Own,
        Self::Victim,
        Self::NoUid,
        Self::OldUid,
        Self::OtherUid,
        Self::OtherWorkload,
        Self::NoPod,
        Self::Large,
        Self::OptedOut,
        Self::Unlabelled,
        Self::System,
        Self::Knothole,
        Self::Denied,
        Self::DaemonSet,
        Self::StatefulSet,
        Self::Bare,
        Self::Ghost,
        Self::Hostile,
        Self::Twice,
        Self::Crowd,
        Self::Swarm,
    ];

    /// What the resource of its next request says.
    pub(crate) fn claims(self, town: &Town, turn: u64, dice: &mut Dice) -> Claims {
        let of = |space, name| town.claims(nth(town, (space, name), turn / 8));
        let victim = || of("shop", "cart");
        match self {
            Self::Own => of(ATTACKER.0, ATTACKER.1),
            Self::Victim => victim(),
            Self::NoUid => without(victim(), "k8s.pod.uid"),
            Self::OldUid => with(
                victim(),
                "k8s.pod.uid",
                "5ee0c7d8-9f0e-4d53-9f6e-999999999999",
            ),
            Self::OtherUid => {
                let other = nth(town, ("shop", "cart"), turn / 8 + 1).object.uid.clone();
                with(victim(), "k8s.pod.uid", &other)
            }
            Self::OtherWorkload => with(victim(), "k8s.deployment.name", "pay"),
            Self::NoPod => without(without(victim(), "k8s.pod.uid"), "k8s.pod.name"),
            Self::Large => of("shop", "web"),
            Self::OptedOut => of("shop", "mail"),
            Self::Unlabelled => {
                let label = "k8s.namespace.label.knothole.dev/remediate";
                with(of("bank", "books"), label, "true")
            }
            Self::System => of("kube-system", "dns"),
            Self::Knothole => of(OWN, "knothole"),
            Self::Denied => of(VAULT, "keys"),
            Self::DaemonSet => of("shop", "agent"),
            Self::StatefulSet => of("shop", "db"),
            Self::Bare => with(of("shop", "bare"), "service.name", "cart"),
            Self::Ghost => {
                let ghost = with(victim(), "k8s.pod.name", "cart-ghost");
                with(ghost, "k8s.deployment.name", "ghost")
            }
            Self::Hostile => {
                let name = HOSTILE[dice.index(HOSTILE.len())];
                let keys = ["k8s.namespace.name", "k8s.pod.name", "k8s.deployment.name"];
                with(victim(), keys[dice.index(3)], name)
            }
            Self::Twice => {
                let mut claims = of(ATTACKER.0, ATTACKER.1);
                claims.extend(victim());
                claims
            }
            Self::Crowd => {
                let all: Vec<_> = town.workloads().collect();
                let (space, name) = all[usize::try_from(turn).unwrap() % all.len()];
                of(space, name)
            }
            Self::Swarm => with(victim(), "service.name", &format!("made-up-{turn}")),
            Self::Sick(space, name) => town.claims(one(town, (space, name), false)),
            Self::Well(space, name) => town.claims(one(town, (space, name), true)),
        }
    }
}

fn nth<'a>(town: &'a Town, (space, name): (&'a str, &'a str), turn: u64) -> &'a Pod {
    let all: Vec<&Pod> = town.of(space, name).collect();
    all[usize::try_from(turn).unwrap() % all.len()]
}

/// The first that is Ready, or that is not; else the first.
fn one<'a>(town: &'a Town, (space, name): (&'a str, &'a str), is_ready: bool) -> &'a Pod {
    let found = town.of(space, name).find(|it| it.is_ready == is_ready);
    found.unwrap_or_else(|| nth(town, (space, name), 0))
}

fn without(mut claims: Claims, key: &str) -> Claims {
    claims.retain(|it| it.0 != key);
    claims
}

fn with(claims: Claims, key: &str, value: &str) -> Claims {
    let mut claims = without(claims, key);
    claims.push((key.into(), value.into()));
    claims
}
