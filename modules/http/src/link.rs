//! The link of the chain that makes a connection one of TLS.

use super::transport::{INPUT, OUTPUT};
use super::watch;
use net::tls::{Peer, Terms};
use rustls::StreamOwned;
use rustls::client::ClientConnection;
use rustls::pki_types::ServerName;
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

/// Whom a connection leads to.
#[derive(Clone, Debug)]
pub enum Leads {
    /// To the server.
    Direct,
    /// To a proxy that is given requests for others; by TLS to one of that name.
    ToProxy(Option<String>),
    /// Through a proxy to the server.
    Through,
}

/// Speaks TLS where it is to be spoken.
#[derive(Debug)]
pub struct TlsConnector {
    /// Whom its connections lead to.
    pub leads: Leads,
    /// What it is spoken with; none where no TLS is spoken.
    pub terms: Option<Terms>,
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let Some(inner) = chained else { return Ok(None) };
        let proxy = match &self.leads {
            Leads::ToProxy(host) => host.as_deref(),
            Leads::Direct | Leads::Through => None,
        };
        if inner.is_tls() || proxy.is_none() && !details.needs_tls() {
            return Ok(Some(Either::A(inner)));
        }
        let terms = self.terms.as_ref().ok_or(Error::Tls("no TLS was prepared for"))?;
        let host = details.uri.host().unwrap_or_default();
        // Within a tunnel's making, the proxy is the host.
        let for_proxy = proxy.is_some() || matches!(self.leads, Leads::Through) && details.config.proxy().is_none();
        let (config, name) = match (&terms.server_name, for_proxy) {
            (_, true) => (&terms.proxy, named(proxy.unwrap_or(host))?),
            (Some(name), false) => (&terms.server, name.clone()),
            (None, false) => (&terms.server, named(host)?),
        };
        let connection = ClientConnection::new(Arc::clone(config), name)?;
        let mut socket = TransportAdapter::new(inner.boxed(), Arc::clone(&details.current_time));
        socket.set_timeout(details.timeout);
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(hung_up)?;
        }
        let buffers = LazyBuffers::new(INPUT, OUTPUT);
        let peer = Peer::of(&stream.conn).map(Arc::new);
        Ok(Some(Either::B(TlsTransport { buffers, stream, peer })))
    }
}

fn named(host: &str) -> Result<ServerName<'static>, Error> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    ServerName::try_from(bare).map_err(|_| Error::Tls("the server's name is none that a certificate could be for"))
}

/// A server that closes the connection instead of answering the handshake.
fn hung_up(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset if error.get_ref().is_none_or(is_end) => {
            Error::Tls("SSL connect attempt failed: the server closed the connection within the handshake")
        }
        _ => Error::from(error),
    }
}

fn is_end(inner: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    inner.downcast_ref::<rustls::Error>().is_none() && inner.downcast_ref::<Error>().is_none()
}

/// A connection of TLS over another.
pub struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
    peer: Option<Arc<Peer>>,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.sock.set_timeout(timeout);
        self.stream.write_all(&self.buffers.output()[..amount])?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.sock.set_timeout(timeout);
        let count = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(count);
        watch::came_by(self.peer.as_ref());
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTransport").finish_non_exhaustive()
    }
}
