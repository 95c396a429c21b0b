//! What every function that sends a request has in common: what is wanted, and how it is done.

use super::answer::{Answer, Shape};
use super::content::{CODINGS, decoded, read_up_to};
use super::exchange::{Order, Payload, Reply, Target, Trouble, body_trouble, run};
use super::fields::{Fields, List};
use super::session::Session;
use super::sessions::find;
use super::sessions::{inactivity, max_redirect, private};
use super::teller::Teller;
use super::watch::watched;
use kit::Call;
use kit::protocol::error::quote;
use kit::protocol::lenient::{Flag, Integer, Number};
use kit::protocol::{CallError, Code};
use net::wait::Wait;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::http::{HeaderValue, Method, header};

/// The longest body that is given back in an answer if nothing is said: with both its names it still fits a frame.
pub const MAX_CONTENT: u64 = 7 << 20;

/// What a request goes by, besides itself.
pub struct Wanted {
    /// The session, or the settings of calls without one.
    pub session: Arc<Session>,
    /// How long the server may do nothing.
    pub timeout: Duration,
    /// The longest body that is taken, if somebody said so.
    pub max_size: Option<u64>,
    max_redirect: u32,
}

impl Wanted {
    /// From a session and what the call says besides.
    ///
    /// # Errors
    /// `not_found` for the session, `invalid_params` for the rest.
    pub fn find(
        call: &mut Call<'_>,
        session_id: Option<&str>,
        verify_ssl: Option<Flag>,
        timeout: Option<Number>,
        redirects: Option<Integer>,
    ) -> Result<Self, CallError> {
        Self::of(find(call, session_id, verify_ssl)?, timeout, redirects)
    }

    /// From a session at hand.
    ///
    /// # Errors
    /// `invalid_params`.
    pub fn of(session: Arc<Session>, timeout: Option<Number>, redirects: Option<Integer>) -> Result<Self, CallError> {
        Ok(Self {
            timeout: timeout.map_or(Ok(session.timeout), |seconds| inactivity(seconds.0))?,
            max_size: session.max_size,
            max_redirect: max_redirect(redirects)?.unwrap_or(session.max_redirect),
            session,
        })
    }

    /// A request that goes by this.
    ///
    /// # Errors
    /// `invalid_params` naming what can't be sent.
    pub fn order<'a>(
        &self,
        method: &str,
        url: &str,
        headers: Option<Fields>,
        private_headers: Option<List>,
        payload: Payload<'a>,
    ) -> Result<Order<'a>, CallError> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| {
            CallError::invalid("method", format!("parameter `method`: {} is no method of HTTP", quote(method)))
        })?;
        let target = Target::parse(url)?;
        let fields = headers.unwrap_or_default();
        let names: Vec<String> = fields.names().map(str::to_owned).collect();
        let headers = fields.headers()?;
        let private = private(private_headers)?;
        Ok(Order { method, target, headers, names, private, payload, max_redirect: self.max_redirect })
    }
}

/// Sends a request and reads its answer whole.
///
/// # Errors
/// `too_large` for a body above the limit; what the network does wrong is an answer too.
pub fn perform(
    call: &mut Call<'_>,
    wanted: &Wanted,
    mut order: Order<'_>,
    shape: Shape,
    begun: Instant,
    url: &str,
) -> Result<Answer, CallError> {
    let decode = wanted.session.decode.unwrap_or(shape == Shape::Friendly);
    if decode {
        ask_for_codings(&mut order);
    }
    let outcome = watched(Wait::of(call, Some(wanted.timeout)), || {
        let mut reply = sent(call, wanted, order)?;
        if decode {
            undo_codings(&mut reply)?;
        }
        let limit = wanted.max_size.unwrap_or(MAX_CONTENT);
        match read_up_to(&mut reply.body, limit).map_err(|error| body_trouble(&error))? {
            (_, true) => Err(Trouble::Call(too_long(limit))),
            (content, false) => Ok(Answer::of(shape, begun, &reply, content)),
        }
    });
    outcome.or_else(|trouble| Answer::of_trouble(call, shape, begun, url, trouble))
}

fn ask_for_codings(order: &mut Order<'_>) {
    if !order.headers.iter().any(|(name, _)| name == header::ACCEPT_ENCODING) {
        order.headers.push((header::ACCEPT_ENCODING, HeaderValue::from_static(CODINGS)));
    }
}

fn undo_codings(reply: &mut Reply) -> Result<(), Trouble> {
    let encoding = reply.head.first("content-encoding").to_owned();
    let body = std::mem::replace(&mut reply.body, Box::new(std::io::empty()));
    reply.body = decoded(&encoding, body).map_err(|error| body_trouble(&error))?;
    Ok(())
}

/// Sends a request and tells how far it is.
///
/// # Errors
/// See [`Trouble`].
pub fn sent(call: &Call<'_>, wanted: &Wanted, order: Order<'_>) -> Result<Reply, Trouble> {
    let mut teller = Teller::new(call, Some(order.payload.len()));
    run(&wanted.session, order, &mut |done| teller.tell(done))
}

/// A body, or none.
pub fn payload<'a>(content: Option<&'a [u8]>) -> Payload<'a> {
    content.map_or(Payload::Nothing, Payload::Bytes)
}

/// The error for a body above a limit.
pub fn too_long(most: u64) -> CallError {
    CallError::new(
        Code::TooLarge,
        format!(
            "the body is longer than {most} bytes; raise max_size, use http_helper.download, or take it in pieces (`stream`)"
        ),
    )
}
