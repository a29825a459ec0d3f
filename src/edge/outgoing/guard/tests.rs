use super::*;

fn guard_of(host: &str, allow_private: bool, egress: &Egress) -> (Url, Guard) {
    let written = format!("http://{host}/hook");
    let url: Url = written.parse().unwrap();
    let guard = Guard::new(&url, &written, allow_private, egress);
    (url, guard)
}

fn guard(host: &str) -> Guard {
    guard_of(host, false, &Egress::default()).1
}

fn check_url(host: &str, allow_private: bool) -> Result<(), Refusal> {
    let (url, guard) = guard_of(host, allow_private, &Egress::default());
    guard.check_url(&url)
}

#[test]
fn metadata_and_link_local_addresses_are_refused_however_they_are_written() {
    for host in [
        "169.254.169.254",
        "2852039166",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "[::169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::a9fe:a9fe]",
        "[2002:a9fe:a9fe::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[fd00:ec2::23]",
        "[fd20:ce::254]",
        "[fd00:42::42]",
        "[64:ff9b:1:a9fe:a9:fe00::]",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "0.0.0.0",
        "0.1.2.3",
        "[::]",
        "224.0.0.1",
        "255.255.255.255",
        "[ff02::1]",
        "169.254.169.254.",
        "１６９.254.169.254",
    ] {
        let refused = check_url(host, true);
        assert!(matches!(refused, Err(Refusal::Special(_))), "{host}");
    }
}

#[test]
fn private_addresses_need_the_owners_word() {
    for host in [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "198.18.0.1",
        "[fd12::1]",
        "[::ffff:10.0.0.1]",
        "[2002:c0a8:0101::]",
        "[fec0::1]",
        "[64:ff9b:1::5db8:d70e]",
    ] {
        let refused = check_url(host, false);
        assert!(matches!(refused, Err(Refusal::Private(_))), "{host}");
        assert_eq!(check_url(host, true), Ok(()), "{host}");
    }
    for host in ["93.184.215.14", "[2606:2800:21f::1]", "hooks.example.net"] {
        assert_eq!(check_url(host, false), Ok(()), "{host}");
    }
}

#[test]
fn loopback_is_taken_only_when_the_url_itself_says_so() {
    let home = IpAddr::from([127, 0, 0, 1]);
    for host in [
        "127.0.0.1:9",
        "localhost:9",
        "LOCALHOST",
        "[::1]:9",
        "127.0.0.2",
    ] {
        assert_eq!(guard(host).check(home), Ok(()), "{host}");
    }
    for host in [
        "hooks.example.net",
        "0x7f.1",
        "2130706433",
        "[::ffff:7f00:1]",
        "localhost.",
    ] {
        assert_eq!(
            guard(host).check(home),
            Err(Refusal::Loopback(home)),
            "{host}"
        );
    }
    for allow_private in [false, true] {
        let behind = guard_of("hooks.example.net", allow_private, &Egress::default()).1;
        assert_eq!(behind.check(home), Err(Refusal::Loopback(home)));
    }
    let local = guard("localhost");
    assert!(local.check(IpAddr::from([10, 0, 0, 1])).is_err());
    assert!(local.check(IpAddr::from([169, 254, 169, 254])).is_err());
}

#[tokio::test]
async fn a_name_that_resolves_to_a_refused_address_gives_none() {
    let answer = guard("hooks.example.net")
        .resolve("localhost".parse().unwrap())
        .await;
    assert!(answer.is_err(), "the name leads to this machine");
    let answer = guard("localhost")
        .resolve("localhost".parse().unwrap())
        .await;
    assert!(answer.is_ok_and(|mut addresses| addresses.next().is_some()));
}

#[test]
fn with_a_list_nothing_else_is_reached_and_what_is_in_a_listed_network_may_be_private() {
    let list = |entries: &[&str]| Egress {
        allow: entries.iter().map(ToString::to_string).collect(),
    };
    let named = list(&["hooks.example.net", "10.1.0.0/16"]);
    let public = IpAddr::from([93, 184, 215, 14]);
    let inside = IpAddr::from([10, 1, 2, 3]);
    let metadata = IpAddr::from([169, 254, 169, 254]);
    let check = |host: &str, address| guard_of(host, false, &named).1.check(address);
    assert_eq!(check("hooks.example.net", public), Ok(()));
    assert_eq!(check("hooks.example.net", inside), Ok(()));
    let other = IpAddr::from([10, 2, 0, 1]);
    assert_eq!(
        check("hooks.example.net", other),
        Err(Refusal::Private(other))
    );
    assert!(matches!(
        check("evil.example.net", public),
        Err(Refusal::NotListed(_))
    ));
    assert_eq!(check("evil.example.net", inside), Ok(()));
    let all = guard_of("a", true, &list(&["0.0.0.0/0"])).1;
    assert_eq!(all.check(metadata), Err(Refusal::Special(metadata)));
}

#[test]
fn a_user_in_the_address_is_refused() {
    assert_eq!(
        check_url("hooks.example.net@127.0.0.1", true),
        Err(Refusal::Credentials)
    );
    assert_eq!(
        check_url("user:word@hooks.example.net", true),
        Err(Refusal::Credentials)
    );
}
