//! `system.openmetrics`: every figure as text.

use crate::broker::openmetrics::{Format, render};
use crate::broker::view::View;
use kit::call::Call;
use kit::protocol::CallError;
use kit::protocol::lenient::Text;
use schemars::JsonSchema;
use serde::Deserialize;

/// The parameters of `system.openmetrics`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenMetrics<'a> {
    /// openmetrics (if not given) or prometheus.
    #[serde(borrow, default)]
    format: Option<Text<'a>>,
}
kit::parameters!(OpenMetrics<'_>);

/// `system.openmetrics`.
///
/// # Errors
/// `invalid_params` for another format.
pub fn openmetrics(call: &mut Call<'_>, params: OpenMetrics<'_>) -> Result<String, CallError> {
    let format = match params.format.as_deref() {
        None | Some("openmetrics") => Format::OpenMetrics,
        Some("prometheus") => Format::Prometheus,
        Some(_) => return Err(CallError::invalid("format", "parameter `format` must be openmetrics or prometheus")),
    };
    Ok(render(&mut View::of(call)?, format))
}
