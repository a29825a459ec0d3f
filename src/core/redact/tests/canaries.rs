//! Secrets that never were, in lines that nobody logged.

/// A line with a secret in it.
pub(super) struct Canary {
    pub(super) name: &'static str,
    pub(super) line: String,
    /// What must not be seen again.
    pub(super) secrets: Vec<String>,
}

/// Makes a secret, and a piece of a line with it.
type Make = fn(&mut Random) -> (String, String);

/// The canary of this number; the same each time.
pub(super) fn canary(number: u64) -> Canary {
    let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
    let (name, make) = MAKERS[number as usize % MAKERS.len()];
    let (secret, piece) = make(&mut random);
    let before = random.pick(&[
        "",
        "request failed: ",
        "2026-11-21 07:46:03.120 INFO [worker-3] ",
        "retry 3 of 5, ",
    ]);
    let after = random.pick(&[
        "",
        " after 41 ms",
        " status=500",
        ", giving up",
        "\nat shop.Cart.pay(Cart.java:12)",
    ]);
    Canary {
        name,
        line: format!("{before}{piece}{after}"),
        secrets: vec![secret],
    }
}

const MAKERS: &[(&str, Make)] = &[
    ("password=", |r| {
        in_form(r.password(), |s| format!("user=ann password={s}"))
    }),
    ("password:", |r| {
        in_form(r.password(), |s| format!("password: {s}"))
    }),
    ("json password", |r| {
        in_form(r.password(), |s| {
            format!(r#"{{"user":"ann","password":"{s}","n":1}}"#)
        })
    }),
    ("json in json", |r| {
        in_form(r.password(), |s| {
            format!(r#"{{"log":"{{\"dbPassword\":\"{s}\"}}"}}"#)
        })
    }),
    ("query token", |r| {
        in_form(r.word(24), |s| format!("GET /cb?access_token={s}&x=1"))
    }),
    ("env", |r| {
        in_form(r.password(), |s| format!("DB_PASSWORD={s}"))
    }),
    ("flag", |r| {
        in_form(r.password(), |s| {
            format!("exec tool --password {s} --host db")
        })
    }),
    ("flag=", |r| {
        in_form(r.word(20), |s| format!("exec tool --api-key={s}"))
    }),
    ("api key header", |r| {
        in_form(r.word(32), |s| format!("X-Api-Key: {s}"))
    }),
    ("client secret", |r| {
        in_form(r.word(30), |s| format!("client_secret='{s}'"))
    }),
    ("go struct", |r| {
        in_form(r.word(12), |s| format!("{{User:ann Password:{s} Port:1}}"))
    }),
    ("rust debug", |r| {
        in_form(r.word(12), |s| {
            format!(r#"Login {{ secret: Some("{s}"), n: 1 }}"#)
        })
    }),
    ("xml", |r| {
        in_form(r.word(12), |s| format!("<password>{s}</password>"))
    }),
    ("bearer", |r| {
        in_form(r.word(40), |s| format!("Authorization: Bearer {s}"))
    }),
    ("bearer alone", |r| {
        in_form(format!("{}7", r.word(40)), |s| format!("sent Bearer {s}"))
    }),
    ("basic", |r| {
        in_form(r.word(24), |s| format!("authorization: Basic {s}"))
    }),
    ("cookie", |r| {
        in_form(r.word(26), |s| format!("Cookie: theme=dark; sid={s}"))
    }),
    ("set-cookie", |r| {
        in_form(r.word(26), |s| format!("Set-Cookie: sid={s}; Path=/"))
    }),
    ("url password", |r| {
        in_form(r.word(14), |s| format!("amqp://ann:{s}@mq.internal:5672/v"))
    }),
    ("dsn", |r| {
        in_form(r.word(14), |s| format!("ann:{s}@tcp(db:3306)/shop"))
    }),
    ("jwt", |r| {
        let token = format!("eyJhbGciOiJIUzI1NiJ9.{}.{}", r.url_safe(40), r.url_safe(43));
        in_form(token, |s| format!("session {s} ended"))
    }),
    ("pem", |r| {
        let key = r.word(64);
        let text = format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----");
        (key, format!("loaded {text}"))
    }),
    ("aws id", |r| {
        in_form(
            format!("AKIA{}", r.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
            |s| format!("as {s}"),
        )
    }),
    ("aws secret", |r| {
        in_form(r.word(40), |s| format!("aws_secret_access_key = {s}"))
    }),
    ("google", |r| {
        in_form(format!("AIza{}", r.url_safe(35)), |s| {
            format!("maps {s} quota")
        })
    }),
    ("github", |r| {
        in_form(format!("ghp_{}", r.word(36)), |s| format!("clone with {s}"))
    }),
    ("github fine", |r| {
        in_form(format!("github_pat_{}", r.word(60)), |s| {
            format!("clone with {s}")
        })
    }),
    ("gitlab", |r| {
        in_form(format!("glpat-{}", r.url_safe(20)), |s| {
            format!("push by {s}")
        })
    }),
    ("slack", |r| {
        in_form(
            format!("xoxb-{}-{}", r.of("0123456789", 12), r.word(24)),
            |s| format!("bot {s}"),
        )
    }),
    ("slack hook", |r| {
        in_form(
            format!("T{}/B{}/{}", r.word(9), r.word(9), r.word(24)),
            |s| format!("POST https://hooks.slack.com/services/{s}"),
        )
    }),
    ("discord hook", |r| {
        in_form(
            format!("{}/{}", r.of("0123456789", 18), r.url_safe(60)),
            |s| format!("POST https://discord.com/api/webhooks/{s}"),
        )
    }),
    ("stripe", |r| {
        in_form(format!("sk_live_{}", r.word(24)), |s| {
            format!("charge by {s}")
        })
    }),
    ("openai", |r| {
        in_form(
            format!("sk-proj-{}T3BlbkFJ{}", r.url_safe(20), r.url_safe(20)),
            |s| format!("model by {s}"),
        )
    }),
    ("openai old", |r| {
        in_form(format!("sk-{}T3BlbkFJ{}", r.word(20), r.word(20)), |s| {
            format!("model by {s}")
        })
    }),
    ("anthropic", |r| {
        in_form(format!("sk-ant-api03-{}", r.url_safe(80)), |s| {
            format!("model by {s}")
        })
    }),
    ("npm", |r| {
        in_form(format!("npm_{}", r.word(36)), |s| format!("publish by {s}"))
    }),
    ("pypi", |r| {
        in_form(format!("pypi-AgEIcHlwaS5vcmc{}", r.url_safe(60)), |s| {
            format!("publish by {s}")
        })
    }),
    ("sendgrid", |r| {
        in_form(format!("SG.{}.{}", r.url_safe(22), r.url_safe(43)), |s| {
            format!("mail by {s}")
        })
    }),
    ("twilio", |r| {
        in_form(format!("SK{}", r.of("0123456789abcdef", 32)), |s| {
            format!("call by {s}")
        })
    }),
    ("azure storage", |r| {
        in_form(format!("{}==", r.word(86)), |s| {
            format!("AccountName=shop;AccountKey={s};Suffix=x")
        })
    }),
    ("azure sas", |r| {
        in_form(format!("{}%3D", r.word(43)), |s| {
            format!("GET /blob?sv=2026&sig={s}&se=1")
        })
    }),
    ("hugging face", |r| {
        in_form(
            format!("hf_{}", r.of("abcdefghijklmnopqrstuvwxyzABCDEFGH", 34)),
            |s| format!("pull by {s}"),
        )
    }),
    ("vault", |r| {
        in_form(format!("hvs.{}", r.url_safe(90)), |s| {
            format!("lease by {s}")
        })
    }),
    ("telegram", |r| {
        in_form(
            format!("{}:AAE{}", r.of("123456789", 10), r.url_safe(32)),
            |s| format!("GET /bot{s}/getMe"),
        )
    }),
    ("shopify", |r| {
        in_form(format!("shpat_{}", r.of("0123456789abcdef", 32)), |s| {
            format!("sync by {s}")
        })
    }),
    ("email", |r| {
        in_form(
            format!(
                "{}.{}@{}.example.org",
                r.of("abcdefg", 4),
                r.of("hijklmn", 6),
                r.of("opqrst", 5)
            ),
            |s| format!("mail to {s} bounced"),
        )
    }),
    ("card", |r| {
        in_form(r.card("4", 16), |s| format!("charge {s} declined"))
    }),
    ("card grouped", |r| {
        let card = r.card("51", 16);
        let groups: Vec<&str> = (0..4).map(|at| &card[at * 4..at * 4 + 4]).collect();
        in_form(groups.join(r.pick(&[" ", "-"])), |s| {
            format!("charge {s} declined")
        })
    }),
    ("amex", |r| {
        in_form(r.card("37", 15), |s| format!("card={s}"))
    }),
    ("iban", |r| {
        in_form(r.iban(), |s| format!("pay to {s} queued"))
    }),
    ("ssn", |r| {
        in_form(
            format!(
                "{}-{}-{}",
                r.of("123456", 3),
                r.of("123456", 2),
                r.of("123456", 4)
            ),
            |s| format!("ssn={s}"),
        )
    }),
    ("phone", |r| {
        in_form(
            format!("+49 {} {}", r.of("123456789", 3), r.of("123456789", 7)),
            |s| format!("phone: {s}"),
        )
    }),
];

fn in_form(secret: String, form: impl Fn(&str) -> String) -> (String, String) {
    let piece = form(&secret);
    (secret, piece)
}

/// Numbers that look random.
pub(super) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.next() as usize % from.len()]
    }

    fn of(&mut self, from: &str, len: usize) -> String {
        let from = from.as_bytes();
        (0..len)
            .map(|_| char::from(from[self.next() as usize % from.len()]))
            .collect()
    }

    fn word(&mut self, len: usize) -> String {
        self.of(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
            len,
        )
    }

    fn url_safe(&mut self, len: usize) -> String {
        self.of(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-",
            len - 1,
        ) + "x"
    }

    /// As people and generators make them.
    fn password(&mut self) -> String {
        let len = 6 + self.next() as usize % 14;
        let middle = self.of(
            "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789!@#$%^*_-+.,?",
            len,
        );
        format!("p{middle}9")
    }

    fn card(&mut self, prefix: &str, len: usize) -> String {
        let body = format!("{prefix}{}", self.of("0123456789", len - 1 - prefix.len()));
        let sum: u32 = body
            .bytes()
            .rev()
            .enumerate()
            .map(
                |(place, digit)| match (place % 2, u32::from(digit - b'0')) {
                    (0, digit) => digit * 2 / 10 + digit * 2 % 10,
                    (_, digit) => digit,
                },
            )
            .sum();
        format!("{body}{}", (10 - sum % 10) % 10)
    }

    fn iban(&mut self) -> String {
        let account = self.of("0123456789", 18);
        // D is 13 and E is 14.
        let rest = format!("{account}131400")
            .bytes()
            .fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
        format!("DE{:02}{account}", 98 - rest)
    }
}
