//! Many times the load that a broker can carry: it refuses early, serves who is in, and is well again when it is over.

use crate::support::*;
use rmpv::Value;

#[test]
fn what_is_too_much_is_refused_at_once_and_the_rest_is_served() {
    const CLIENTS: usize = 20;
    const CALLS: u32 = 50;
    // Two workers with calls of 10 ms carry 200 a second; a thousand come at once.
    let broker = Broker::start(&["--workers=2", "--worker-queue=20", "--log-level=warning"]);
    let innocent = Innocent::beside(&broker);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| broker.connect()).collect();
    for client in &mut clients {
        for msgid in 1..=CALLS {
            client.send(&request(msgid, "test.sleep", map([("seconds", 0.01.into())])));
        }
        client.send(&request(CALLS + 1, "test.echo", none()));
    }
    let (mut served, mut refused) = (0, 0);
    for client in &mut clients {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..=CALLS {
            let Some(Value::Array(parts)) = client.receive() else { panic!("the end") };
            assert!(seen.insert(parts[1].as_u64().unwrap()), "answered once");
            match parts[2]["code"].as_str() {
                None => served += 1,
                Some("overloaded") => refused += 1,
                Some(other) => panic!("{other}"),
            }
        }
    }
    assert_eq!(served + refused, CLIENTS * (CALLS as usize + 1), "every call has its answer");
    assert!(served >= CLIENTS + 20 && refused > CLIENTS * CALLS as usize / 2, "{served} served, {refused} refused");
    assert!(innocent.served() > 0);
    let workers = broker.call("system.performance", none()).unwrap()["worker_performance"].clone();
    assert!(workers["peak_queued"].as_u64().unwrap() <= 20, "{workers}");
    assert_eq!(workers["overloaded"].as_u64(), Some(refused as u64));
    // It is over, and nothing of it is left.
    assert!(broker.call("test.sleep", map([("seconds", 0.into())])).is_ok());
    assert_eq!(broker.call("system.health", none()).unwrap()["checks"]["workers"]["status"], "pass".into());
}
