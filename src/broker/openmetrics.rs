//! The broker's figures as text that Prometheus and its kin read.
//!
//! Two formats differ in a few lines: OpenMetrics 1.0, and the older text format of Prometheus (0.0.4), which node_exporter's
//! textfile collector reads. Names follow <https://prometheus.io/docs/practices/naming/>: base units, `_total` for counters.

use super::view::View;
use crate::stats::TimesReport;
use std::fmt::{Display, Write as _};

/// Which text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format, version 0.0.4.
    Prometheus,
}

/// All figures of a broker, each with its socket as a label: a host can have several brokers, and node_exporter refuses figures
/// that two of them write alike. None is called `process_...`: node_exporter has those names for itself, and refuses all of a
/// file that says one again.
pub fn render(host: &mut View<'_>, format: Format) -> String {
    let mut page = Page { text: String::with_capacity(16 * 1024), format, socket: host.socket_path() };
    process(&mut page, host);
    connections(&mut page, host);
    calls(&mut page, host);
    workers(&mut page, host);
    verdict(&mut page, host);
    if format == Format::OpenMetrics {
        page.text.push_str("# EOF\n");
    }
    page.text
}

fn process(page: &mut Page, host: &mut View<'_>) {
    let (resources, counters) = (host.resources(), host.counters());
    page.gauge("cpan_bridge_build_info", "The version that runs; always 1.", &[(&[("version", crate::VERSION)], 1.0)]);
    page.one_gauge("cpan_bridge_start_time_seconds", "When the broker started, Unix time.", counters.start_time);
    page.one_counter("cpan_bridge_reloads", "How often another program took over.", host.reloads() as f64);
    const MB: f64 = (1 << 20) as f64;
    page.one_gauge("cpan_bridge_resident_memory_bytes", "Resident memory.", resources.memory_mb * MB);
    page.one_gauge("cpan_bridge_open_fds", "Open descriptors.", resources.open_fds as f64);
    page.one_counter("cpan_bridge_cpu_seconds", "CPU time used.", resources.cpu_seconds);
    page.one_gauge(
        "cpan_bridge_held_bytes",
        "Bytes held for callers: unfinished messages, waiting calls, answers not taken, bodies in the making.",
        resources.held_bytes as f64,
    );
}

fn connections(page: &mut Page, host: &mut View<'_>) {
    let counters = host.counters();
    let traffic = host.traffic();
    page.one_gauge("cpan_bridge_connections", "Connections now.", counters.active_connections as f64);
    page.one_gauge(
        "cpan_bridge_connections_peak",
        "The most connections at one time.",
        counters.peak_connections as f64,
    );
    page.one_gauge("cpan_bridge_connections_max", "The most connections there may be.", traffic.max_connections as f64);
    page.one_counter("cpan_bridge_connections_accepted", "Connections accepted.", counters.connections_total as f64);
    let crowded = traffic.rejected_crowded.min(counters.connections_rejected);
    let rejected = [("denied", counters.connections_rejected - crowded), ("quota", crowded)];
    let rejected: Vec<_> = rejected.iter().map(|(reason, count)| ([("reason", *reason)], *count as f64)).collect();
    page.counter(
        "cpan_bridge_connections_rejected",
        "Connections turned away: denied, of users who may not connect; quota, of users who have too many.",
        &borrowed(&rejected),
    );
    let closed: Vec<_> = traffic.closed.iter().map(|(reason, count)| ([("reason", *reason)], *count as f64)).collect();
    page.counter("cpan_bridge_connections_closed", "Closed connections by reason.", &borrowed(&closed));
    page.one_counter("cpan_bridge_received_bytes", "Bytes read from clients.", traffic.bytes_in as f64);
    page.one_counter("cpan_bridge_sent_bytes", "Bytes written to clients.", traffic.bytes_out as f64);
}

fn calls(page: &mut Page, host: &mut View<'_>) {
    let (functions, counters) = (host.functions(), host.counters());
    let requests: Vec<_> =
        functions.iter().map(|one| ([("method", one.method.as_str())], one.requests as f64)).collect();
    page.counter("cpan_bridge_requests", "Calls answered, by function.", &borrowed(&requests));
    let errors: Vec<_> = functions.iter().map(|one| ([("method", one.method.as_str())], one.errors as f64)).collect();
    page.counter("cpan_bridge_request_errors", "Calls answered with an error, by function.", &borrowed(&errors));
    let unreached: Vec<_> = functions.iter().filter(|one| one.unreached > 0).collect();
    let unreached: Vec<_> =
        unreached.iter().map(|one| ([("method", one.method.as_str())], one.unreached as f64)).collect();
    page.counter(
        "cpan_bridge_requests_unreached",
        "Calls for which another server could not be reached, or broke off, by function.",
        &borrowed(&unreached),
    );
    let times: Vec<_> = functions.iter().map(|one| (Some(one.method.as_str()), one.times, one.requests)).collect();
    page.summary("cpan_bridge_request_duration_seconds", "Time from arrival to answer, by function.", &times);
    for (name, help, count) in [
        ("cpan_bridge_requests_rejected", "Calls turned away.", counters.requests_rejected),
        ("cpan_bridge_validation_failures", "Calls with wrong parameters or names.", counters.validation_failures),
        (
            "cpan_bridge_security_events",
            "Refused peers and calls, and streams that were no messages.",
            counters.security_events,
        ),
    ] {
        page.one_counter(name, help, count as f64);
    }
}

fn workers(page: &mut Page, host: &mut View<'_>) {
    let workers = host.workers();
    page.one_gauge("cpan_bridge_workers", "Worker threads there may be.", workers.workers as f64);
    page.one_gauge("cpan_bridge_workers_busy", "Worker threads at work.", workers.busy as f64);
    page.one_gauge("cpan_bridge_queued_requests", "Calls that wait for a worker.", workers.queued as f64);
    page.one_gauge("cpan_bridge_queue_limit", "Calls that may wait for a worker.", workers.queue_limit as f64);
    page.one_counter("cpan_bridge_overloaded", "Calls refused for want of room.", workers.overloaded as f64);
    for (name, help, times) in [
        ("cpan_bridge_queue_wait_seconds", "Time from arrival until a worker had the call.", workers.wait_time),
        ("cpan_bridge_worker_run_seconds", "Time that a worker had a call.", workers.run_time),
    ] {
        page.summary(name, help, &[(None, times, workers.finished)]);
    }
    let kinds = host.handle_store().by_kind();
    let kinds: Vec<_> = kinds.iter().map(|(kind, count)| ([("kind", *kind)], *count as f64)).collect();
    page.gauge("cpan_bridge_handles", "Live handles by kind.", &borrowed(&kinds));
}

fn verdict(page: &mut Page, host: &mut View<'_>) {
    let health = host.health();
    page.one_gauge(
        "cpan_bridge_health",
        "The verdict: 0 healthy, 1 degraded, 2 unhealthy.",
        match health.overall_status {
            "healthy" => 0.0,
            "degraded" => 1.0,
            _ => 2.0,
        },
    );
    let checks: Vec<_> =
        health.checks.iter().map(|(name, check)| ([("check", *name)], f64::from(check.status as u8))).collect();
    page.gauge("cpan_bridge_check", "Each check: 0 passes, 1 warns, 2 fails.", &borrowed(&checks));
}

/// Labels and a value.
type Sample<'a> = (&'a [(&'a str, &'a str)], f64);

fn borrowed<'a>(samples: &'a [([(&'a str, &'a str); 1], f64)]) -> Vec<Sample<'a>> {
    samples.iter().map(|(labels, value)| (labels.as_slice(), *value)).collect()
}

struct Page {
    text: String,
    format: Format,
    socket: String,
}

impl Page {
    fn one_gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauge(name, help, &[(&[], value)]);
    }

    fn one_counter(&mut self, name: &str, help: &str, value: f64) {
        self.counter(name, help, &[(&[], value)]);
    }

    fn gauge(&mut self, name: &str, help: &str, samples: &[Sample<'_>]) {
        self.head(name, "gauge", help);
        samples.iter().for_each(|(labels, value)| self.sample(name, labels, value));
    }

    /// A counter's samples end in `_total`; in OpenMetrics its family does not.
    fn counter(&mut self, name: &str, help: &str, samples: &[Sample<'_>]) {
        let sample_name = format!("{name}_total");
        self.head(if self.format == Format::OpenMetrics { name } else { &sample_name }, "counter", help);
        samples.iter().for_each(|(labels, value)| self.sample(&sample_name, labels, value));
    }

    fn summary(&mut self, name: &str, help: &str, all: &[(Option<&str>, TimesReport, u64)]) {
        self.head(name, "summary", help);
        for (method, times, count) in all {
            let method: Vec<(&str, &str)> = method.map(|method| ("method", method)).into_iter().collect();
            for (quantile, value) in [("0.5", times.p50), ("0.95", times.p95), ("0.99", times.p99)] {
                self.sample(name, &[&method[..], &[("quantile", quantile)]].concat(), &value);
            }
            self.sample(&format!("{name}_sum"), &method, &(times.avg * *count as f64));
            self.sample(&format!("{name}_count"), &method, count);
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String can't fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: &dyn Display) {
        let _ = write!(self.text, "{name}{{socket=\"{}\"", escaped(&self.socket));
        for (label, text) in labels {
            let _ = write!(self.text, ",{label}=\"{}\"", escaped(text));
        }
        let _ = writeln!(self.text, "}} {value}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_formats_differ_where_they_must() {
        let render = |format| {
            let mut page = Page { text: String::new(), format, socket: "/s".to_owned() };
            page.counter("calls", "Calls.", &[(&[("method", "a\"b\\")], 3.0)]);
            let times = TimesReport { avg: 0.5, p50: 0.25, p95: 1.0, p99: 2.0, max: 2.0 };
            page.summary("wait_seconds", "Waiting.", &[(None, times, 4)]);
            page.text
        };
        let rest = "calls_total{socket=\"/s\",method=\"a\\\"b\\\\\"} 3\n\
                    # HELP wait_seconds Waiting.\n# TYPE wait_seconds summary\n\
                    wait_seconds{socket=\"/s\",quantile=\"0.5\"} 0.25\nwait_seconds{socket=\"/s\",quantile=\"0.95\"} 1\n\
                    wait_seconds{socket=\"/s\",quantile=\"0.99\"} 2\nwait_seconds_sum{socket=\"/s\"} 2\n\
                    wait_seconds_count{socket=\"/s\"} 4\n";
        assert_eq!(render(Format::OpenMetrics), format!("# HELP calls Calls.\n# TYPE calls counter\n{rest}"));
        assert_eq!(
            render(Format::Prometheus),
            format!("# HELP calls_total Calls.\n# TYPE calls_total counter\n{rest}")
        );
    }
}
