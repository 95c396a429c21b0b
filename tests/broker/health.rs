//! What the broker says of itself: the lines in the log and the shapes of `system` and `test`.

use crate::support::*;
use rmpv::Value;

fn keys(value: &Value) -> Vec<&str> {
    value.as_map().unwrap().iter().map(|(key, _)| key.as_str().unwrap()).collect()
}

fn has(value: &Value, names: &[&str]) {
    let keys = keys(value);
    for name in names {
        assert!(keys.contains(name), "{name} is missing among {keys:?}");
    }
}

#[test]
fn the_health_line_is_exactly_as_written() {
    let broker = Broker::start(&["--health-interval=50ms"]);
    broker.call("test.ping", none()).unwrap();
    let _ = broker.call("test.nope", none());
    eventually("the line", || {
        broker
            .log()
            .contains("Health check - Uptime: 0s, Requests: 2, Errors: 1, Active connections: 0/1 (current/peak)")
    });
}

#[test]
fn the_leak_verdicts_are_exactly_as_written() {
    let broker = Broker::start(&["--health-interval=50ms", "--elevated-connections=2", "--high-connections=4"]);
    let mut clients: Vec<Client> = (0..3).map(|_| broker.connect()).collect();
    broker.await_log("INFO Elevated connection count: 3 active connections.");
    clients.extend((0..2).map(|_| broker.connect()));
    broker.await_log("WARN High connection count detected: 5 active connections. This may indicate a connection leak.");
    let health = clients[0].call("system.health", none()).unwrap();
    assert_eq!(health["checks"]["connections"]["status"], "warn".into());
    assert_eq!(health["overall_status"], "degraded".into());
    assert_eq!(health["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn every_function_of_the_contract_has_its_shape() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let mut call = |method: &str| client.call(method, none()).unwrap();
    const STATS: &[&str] = &[
        "requests_processed",
        "requests_failed",
        "requests_rejected",
        "validation_failures",
        "security_events",
        "start_time",
        "last_cleanup",
        "connections_total",
        "connections_rejected",
        "peak_connections",
        "active_connections",
    ];
    const PERFORMANCE: &[&str] = &[
        "total_requests",
        "successful_requests",
        "failed_requests",
        "avg_response_time",
        "p50_response_time",
        "p95_response_time",
        "p99_response_time",
        "max_response_time",
        "requests_per_second",
        "error_rate",
        "uptime_seconds",
    ];
    const RESOURCES: &[&str] = &[
        "memory_mb",
        "peak_memory",
        "cpu_percent",
        "peak_cpu",
        "requests_per_minute",
        "concurrent_requests",
        "open_fds",
        "violations",
        "warnings",
    ];
    let ping = call("test.ping");
    assert_eq!(ping["message"], "pong".into());
    has(&ping, &["daemon_version", "platform", "uptime", "stats", "input"]);
    has(&ping["stats"], STATS);
    has(&call("test.stats"), STATS);
    let info = call("system.info");
    has(
        &info,
        &[
            "daemon_version",
            "protocol_version",
            "platform",
            "working_directory",
            "socket_path",
            "pid",
            "uptime",
            "loaded_modules",
            "active_connections",
            "configuration",
        ],
    );
    assert_eq!(info["configuration_sources"]["workers"], "default".into());
    assert_eq!(info["configuration_sources"]["socket"], "flag --socket".into());
    for health in [call("system.health"), call("test.health")] {
        has(&health, &["timestamp", "overall_status", "checks", "warnings", "errors"]);
        has(
            &health["checks"],
            &[
                "daemon_running",
                "memory_usage",
                "cpu_usage",
                "helper_modules",
                "socket_connectivity",
                "connections",
                "handles",
                "workers",
                "performance",
            ],
        );
        has(&health["checks"]["handles"], &["status", "message", "details"]);
    }
    let performance = call("system.performance");
    has(&performance["performance_metrics"], PERFORMANCE);
    has(&performance["module_performance"], &["top_modules", "total_modules"]);
    has(
        &performance["module_performance"]["top_modules"][0],
        &["module_function", "requests", "avg_time_ms", "p99_time_ms", "error_rate"],
    );
    has(&performance["health_indicators"], &["overall_health", "concerns", "recommendations"]);
    let connections = call("system.connections");
    has(
        &connections,
        &[
            "total_connections",
            "active_connections",
            "stale_connections",
            "peak_connections",
            "connections",
            "closed",
            "connection_limits",
        ],
    );
    has(
        &connections["connections"][0],
        &[
            "connection_id",
            "start_time",
            "duration_seconds",
            "requests_count",
            "last_activity",
            "idle_time",
            "status",
            "peer_pid",
            "peer_uid",
            "bytes_in",
            "bytes_out",
        ],
    );
    has(&connections["connection_limits"], &["max_concurrent", "stale_timeout"]);
    has(&call("system.cleanup"), &["cleaned_connections", "connections_details", "remaining_connections"]);
    let metrics = call("system.metrics");
    has(
        &metrics,
        &[
            "timestamp",
            "daemon_info",
            "resource_status",
            "performance_metrics",
            "security_summary",
            "connection_summary",
            "module_status",
            "handle_summary",
            "system_stats",
        ],
    );
    has(&metrics["daemon_info"], &["version", "uptime_seconds", "uptime_formatted"]);
    has(&metrics["resource_status"], RESOURCES);
    has(&metrics["security_summary"], &["total_security_events", "validation_failures", "requests_rejected"]);
    has(&metrics["module_status"], &["loaded_modules", "available_modules"]);
    let stats = call("system.stats");
    has(&stats, STATS);
    has(&stats["performance_summary"], PERFORMANCE);
    has(&stats["resource_status"], RESOURCES);
    let known = client.call("test.check_module", map([("module", "crypto".into())]));
    assert_eq!(known, Ok(true.into()));
    assert_eq!(client.call("test.check_module", map([("module", "requests".into())])), Ok(false.into()));
}

#[test]
fn modules_describes_every_function() {
    let broker = Broker::start(&[]);
    let modules = broker.call("system.modules", none()).unwrap();
    let crypto = modules.as_array().unwrap().iter().find(|module| module["name"] == "crypto".into()).unwrap();
    let functions = crypto["functions"].as_array().unwrap();
    let encrypt = functions.iter().find(|function| function["name"] == "encrypt".into()).unwrap();
    has(encrypt, &["name", "doc", "parameters", "returns", "runs", "touches"]);
    let parameter = encrypt["parameters"].as_array().unwrap().iter().find(|p| p["name"] == "cipher_id".into()).unwrap();
    assert_eq!((&parameter["required"], &parameter["type"]), (&true.into(), &"text".into()));
    assert!(!parameter["doc"].as_str().unwrap().is_empty());
}

/// The result that a function is said to give, and the fields of it that are always there.
fn described(modules: &Value, method: &str) -> (Vec<String>, Vec<String>) {
    let (module, function) = method.split_once('.').unwrap();
    let by_name =
        |list: &Value, name: &str| list.as_array().unwrap().iter().find(|one| one["name"] == name.into()).cloned();
    let module = by_name(modules, module).unwrap();
    let returns = by_name(&module["functions"], function).unwrap()["returns"].clone();
    let fields: Vec<Value> = returns["fields"].as_array().unwrap().clone();
    let name = |field: &Value| field["name"].as_str().unwrap().to_owned();
    let always = fields.iter().filter(|field| field["always"] == true.into()).map(name).collect();
    (fields.iter().map(name).collect(), always)
}

#[test]
fn results_are_what_they_are_described_as() {
    let web = crate::web::Web::start(|_, stream| crate::web::answer(stream, "200 OK", &[], b"a body"));
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let modules = client.call("system.modules", none()).unwrap();
    let key = || ("key", Value::Binary(vec![1; 16]));
    let cipher =
        client.call("crypto.new", map([key(), ("cipher", "AES-128-GCM".into())])).unwrap()["cipher_id"].clone();
    let sealed = map([("cipher_id", cipher.clone()), ("plaintext", "text".into())]);
    let sealed = client.call("crypto.encrypt", sealed).unwrap()["encrypted"].clone();
    let url = || ("url", web.url("/").into());
    let mut calls: Vec<(&str, Value)> = [
        "calls",
        "cleanup",
        "connections",
        "handles",
        "health",
        "history",
        "info",
        "metrics",
        "modules",
        "performance",
        "stats",
    ]
    .map(|name| (name, none()))
    .into();
    let names: Vec<String> = calls.iter().map(|(name, _)| format!("system.{name}")).collect();
    calls = names.iter().zip(calls).map(|(name, (_, params))| (name.as_str(), params)).collect();
    calls.extend([
        ("test.health", none()),
        ("test.stats", none()),
        ("test.sleep", map([("seconds", 0.into())])),
        ("crypto.new", map([key(), ("cipher", "AES".into())])),
        ("crypto.encrypt", map([("cipher_id", cipher.clone()), ("plaintext", "text".into())])),
        ("crypto.decrypt", map([("cipher_id", cipher), ("hex_ciphertext", sealed)])),
        ("crypto.hash", map([("data", "x".into())])),
        ("crypto.random_bytes", map([("length", 4.into())])),
        ("crypto.generate_key", map([("algorithm", "ed25519".into())])),
        ("http_helper.get", map([url()])),
        ("http_helper.session_new", none()),
        ("http_helper.ping", none()),
    ]);
    for (method, params) in calls {
        let (fields, always) = described(&modules, method);
        assert!(!fields.is_empty(), "{method}");
        let result = client.call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"));
        let one = result.as_array().and_then(|all| all.first()).unwrap_or(&result);
        let Some(pairs) = one.as_map() else { continue };
        let given: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str().unwrap()).collect();
        for name in &given {
            assert!(fields.iter().any(|field| field == name), "{method} gives {name}: described are {fields:?}");
        }
        for name in &always {
            assert!(given.contains(&name.as_str()), "{method} does not give {name}: {given:?}");
        }
    }
}

#[test]
fn failures_are_remembered_by_kind() {
    let broker = Broker::start(&[]);
    let _ = broker.call("crypto.decrypt", none());
    let performance = broker.call("system.performance", none()).unwrap();
    let error = &performance["recent_errors"][0];
    assert_eq!(error["module_function"], "crypto.decrypt".into());
    assert!(error["error"].as_str().unwrap().starts_with("invalid_params"), "{error}");
    has(error, &["timestamp", "duration_ms"]);
    let stats = broker.call("test.stats", none()).unwrap();
    assert_eq!((&stats["validation_failures"], &stats["requests_failed"]), (&1.into(), &1.into()));
}
