//! Module `test`: is anybody there, and does it get my data right?

use super::system::CounterReport;
use super::{Offer, registry};
use crate::broker::shapes::Resources;
use crate::broker::view::View;
use crate::health::Report;
use kit::protocol::lenient::{Integer, Number, Text};
use kit::protocol::reply::{write_map_header, write_value};
use kit::protocol::{CallError, Code};
use kit::{Call, Function, Module, NoParameters, Placement};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The module's table.
pub fn module(offer: Offer) -> Module {
    let mut functions = vec![
        Function::new::<CheckModule<'static>, _>("check_module", "Whether the broker has a module.", check_module),
        Function::raw("echo", "Gives back its parameters, unchanged in every type.", echo),
        Function::new::<NoParameters, _>(
            "health",
            "The verdict in the old daemon's form: status, version, uptime, modules, resources, counters.",
            health,
        )
        .fills_a_turn(),
        Function::raw("ping", "Answers pong, with version, uptime and counters; `input` is what it was given.", ping),
        Function::new::<Sleep, _>(
            "sleep",
            "Waits on a worker, reporting progress if asked to; for trying out deadlines and cancellation.",
            sleep,
        )
        .runs(Placement::Worker),
        Function::new::<NoParameters, _>("stats", "Counters since the broker started.", super::system::counters)
            .fills_a_turn(),
    ];
    if offer.faults {
        functions.push(Function::new::<NoParameters, ()>(
            "panic",
            "Fails as a defect in the loop would.",
            panic_on_purpose,
        ));
        functions.push(
            Function::new::<NoParameters, ()>("panic_worker", "Fails as a defect on a worker would.", panic_on_purpose)
                .runs(Placement::Worker),
        );
    }
    let functions = functions.into_iter().map(Function::while_locked).collect();
    Module::new("test", "Is anybody there, and does it get my data right?", functions)
}

/// `test.ping`, written piece by piece because `input` is whatever came.
fn ping(call: &mut Call<'_>, params: &[u8]) -> Result<(), CallError> {
    let mut pairs: u32 = 4;
    let about = match View::of(call) {
        Ok(host) => {
            pairs += 2;
            Some((host.uptime().as_secs_f64(), host.counters()))
        }
        Err(_) => None,
    };
    let out = call.out();
    write_map_header(out, pairs);
    let defect = |error: kit::protocol::reply::Unwritable| CallError::new(Code::Internal, error.to_string());
    write_value(out, "message").and_then(|()| write_value(out, "pong")).map_err(defect)?;
    write_value(out, "daemon_version").and_then(|()| write_value(out, crate::VERSION)).map_err(defect)?;
    write_value(out, "platform").and_then(|()| write_value(out, super::system::PLATFORM)).map_err(defect)?;
    if let Some((uptime, counters)) = about {
        write_value(out, "uptime").and_then(|()| write_value(out, &uptime)).map_err(defect)?;
        write_value(out, "stats").and_then(|()| write_value(out, &counters)).map_err(defect)?;
    }
    write_value(out, "input").map_err(defect)?;
    out.push(params);
    Ok(())
}

fn echo(call: &mut Call<'_>, params: &[u8]) -> Result<(), CallError> {
    call.out().push(params);
    Ok(())
}

#[derive(Serialize, JsonSchema)]
struct Health {
    status: &'static str,
    daemon_version: &'static str,
    uptime: f64,
    active_connections: u64,
    loaded_modules: Vec<&'static str>,
    resources: Resources,
    stats: CounterReport,
    // What `system.health` says besides.
    #[serde(flatten)]
    report: Report,
}

fn health(call: &mut Call<'_>, params: NoParameters) -> Result<Health, CallError> {
    let stats = super::system::counters(call, params)?;
    let host = View::of(call)?;
    let report = host.health();
    Ok(Health {
        status: report.overall_status,
        daemon_version: crate::VERSION,
        uptime: host.uptime().as_secs_f64(),
        active_connections: host.counters().active_connections,
        loaded_modules: host.registry().modules().iter().map(|module| module.name).collect(),
        resources: host.resources(),
        stats,
        report,
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CheckModule<'a> {
    /// The module's name.
    #[serde(borrow)]
    module: Text<'a>,
}
kit::parameters!(CheckModule<'_>);

fn check_module(call: &mut Call<'_>, params: CheckModule<'_>) -> Result<bool, CallError> {
    match View::of(call) {
        Ok(host) => Ok(host.registry().has_module(&params.module)),
        // Without a broker this process is all there is to ask.
        Err(_) => Ok(registry(Offer::default()).has_module(&params.module)),
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sleep {
    /// How long to wait, at most 60.
    seconds: Number,
    /// How many times to report progress meanwhile, 0 to 1000; 0 if not given.
    #[serde(default)]
    steps: Option<Integer>,
}
kit::parameters!(Sleep);

#[derive(Serialize, JsonSchema)]
struct Slept {
    slept: f64,
}

fn sleep(call: &mut Call<'_>, params: Sleep) -> Result<Slept, CallError> {
    const LONGEST: f64 = 60.0;
    let seconds = params.seconds.0;
    if !(0.0..=LONGEST).contains(&seconds) {
        return Err(CallError::invalid("seconds", "parameter `seconds` must be from 0 to 60"));
    }
    let steps = match params.steps.unwrap_or_default().0 {
        steps @ 0..=1000 => steps as u64,
        _ => return Err(CallError::invalid("steps", "parameter `steps` must be from 0 to 1000")),
    };
    let begin = Instant::now();
    let whole = Duration::from_secs_f64(seconds);
    for step in 1..=steps.max(1) {
        let until = whole.mul_f64(step as f64 / steps.max(1) as f64);
        while let Some(left) = until.checked_sub(begin.elapsed()).filter(|left| !left.is_zero()) {
            if call.is_cancelled() {
                return Err(CallError::new(Code::Cancelled, "nobody waits for this call any more"));
            }
            // Short naps, so that a cancelled call gives its worker back soon.
            std::thread::sleep(left.min(Duration::from_millis(10)));
        }
        if steps > 0 {
            call.progress(step, Some(steps), "steps");
        }
    }
    Ok(Slept { slept: begin.elapsed().as_secs_f64() })
}

fn panic_on_purpose(_: &mut Call<'_>, _: NoParameters) -> Result<(), CallError> {
    panic!("a defect on purpose");
}

#[cfg(test)]
mod tests {
    use super::*;
    use kit::Caller;
    use kit::protocol::Buffer;
    use kit::protocol::message::MapEntries;

    fn call(method: &str, params: &[u8]) -> Result<Vec<u8>, CallError> {
        let registry = registry(Offer::default());
        let mut out = Buffer::new();
        let mut call = Call::detached(Caller::default(), &mut out);
        registry.function(registry.find(method)?).run(&mut call, params)?;
        Ok(out.as_slice().to_vec())
    }

    #[test]
    fn ping_works_without_a_broker_and_returns_its_input() {
        let params = [0x81, 0xa1, b'a', 0xc4, 1, 0xff];
        let answer = call("test.ping", &params).unwrap();
        let input = MapEntries::of(&answer).unwrap().find(|(key, _)| *key == "input").unwrap().1;
        assert_eq!(input, params);
    }

    #[test]
    fn echo_keeps_every_byte() {
        let params = [0x82, 0xa1, b'a', 0xd3, 0, 0, 0, 0, 0, 0, 0, 1, 0xa1, b'b', 0xca, 0, 0, 0, 0];
        assert_eq!(call("test.echo", &params).unwrap(), params);
    }

    #[test]
    fn sleep_has_limits() {
        for seconds in [-1.0, 61.0] {
            let params = rmp_serde::to_vec_named(&std::collections::BTreeMap::from([("seconds", seconds)])).unwrap();
            assert_eq!(call("test.sleep", &params).unwrap_err().code, Code::InvalidParams);
        }
    }
}
