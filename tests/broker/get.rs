//! `cpan-bridge get`: a URL becomes a file.

use crate::support::{eventually, program};
use crate::web::{Web, answer, last};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

fn get(dir: &tempfile::TempDir) -> Command {
    let mut command = program();
    for name in ["http_proxy", "https_proxy", "no_proxy"] {
        command.env_remove(name);
    }
    command.arg("get").current_dir(dir.path());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_url_becomes_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let web = Web::start(|request, stream| match request.target.as_str() {
        "/dir/book.txt?x" | "/" => answer(stream, "200 OK", &[], b"a book"),
        "/cut" => last(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        _ => answer(stream, "404 Not Found", &[], b""),
    });
    let output = get(&dir).arg(web.url("/dir/book.txt?x")).args(["-H", "X-A: b"]).output().unwrap();
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), "book.txt: 6 bytes\n"));
    assert_eq!(std::fs::read(dir.path().join("book.txt")).unwrap(), b"a book");
    assert_eq!(web.requests()[0].header("x-a"), Some("b"));
    let quiet = get(&dir).arg("--quiet").arg(web.url("/")).arg("named").output().unwrap();
    assert_eq!((quiet.status.code(), said(&quiet).as_str()), (Some(0), ""));
    let mode = std::fs::metadata(dir.path().join("named")).unwrap().permissions().mode() & 0o777;
    let made = std::fs::File::create(dir.path().join("made")).unwrap().metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, made, "as other programs make files");
    for (url, code, words) in [
        (web.url("/none"), 1, "HTTP 404: Not Found"),
        (web.url("/cut"), 1, "cut off"),
        (web.url("/dir/"), 2, "names no file"),
        ("ftp://host/file".to_owned(), 1, "http://"),
        ("http://127.0.0.1:1/file".to_owned(), 1, "Connection refused"),
    ] {
        let output = get(&dir).arg(&url).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{url}: {}", said(&output));
        assert!(said(&output).contains(words), "{url}: {}", said(&output));
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "what failed left nothing behind");
}

#[test]
fn an_interrupted_transfer_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let web = Web::start(|_, stream| {
        crate::web::raw(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        let _ = std::io::Read::read(stream, &mut [0; 1]);
        false
    });
    let mut child = get(&dir).arg(web.url("/file")).stderr(Stdio::null()).spawn().unwrap();
    eventually("a file in the making", || std::fs::read_dir(dir.path()).unwrap().count() == 1);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
