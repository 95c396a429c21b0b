//! The program with the module: as it stands in docs/adding-a-module.md, and as a script meets it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_text-module");

#[test]
fn the_page_shows_this_crate() {
    let page = include_str!("../../../docs/adding-a-module.md");
    for file in [include_str!("../Cargo.toml"), include_str!("../src/main.rs"), include_str!("../src/lib.rs")] {
        assert!(page.contains(file), "docs/adding-a-module.md differs from:\n{file}");
    }
}

struct Broker(Child, PathBuf);

impl Broker {
    fn start() -> Self {
        let directory = std::env::temp_dir().join(format!("text-module-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let socket = directory.join("broker.sock");
        let child = Command::new(PROGRAM).arg("serve").arg("--socket").arg(&socket).spawn().unwrap();
        let broker = Self(child, directory);
        let is_up = || broker.run(&["ping", "--count=1"]).status.success();
        assert!((0..500).any(|_| is_up() || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            false
        }));
        broker
    }

    fn socket(&self) -> PathBuf {
        self.1.join("broker.sock")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM).args(arguments).arg("--socket").arg(self.socket()).output().unwrap()
    }

    fn call(&self, method: &str, params: &str) -> String {
        let output = self.run(&["call", method, params]);
        assert!(output.status.success(), "{method}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = std::fs::remove_dir_all(&self.1);
    }
}

#[test]
fn scripts_call_it_and_its_state_survives_a_reload() {
    let broker = Broker::start();
    assert!(broker.call("text.repeat", r#"{"text": "ab", "times": 3}"#).contains("ababab"));
    let opened = broker.call("text.open", r#"{"prefix": "a"}"#);
    let id: String = opened.split('"').find(|part| part.len() == 32).unwrap_or_else(|| panic!("{opened}")).to_owned();
    let more = |text: &str| broker.call("text.count", &format!(r#"{{"counter_id": "{id}", "text": "{text}"}}"#));
    assert!(more("an apple and a pear").contains('4'));
    // Above the table's bound a worker has it, which is the same to the function.
    assert!(more(&"b ".repeat(10_000)).contains('4'));
    let file = broker.1.join("words");
    std::fs::write(&file, "an ape among bears").unwrap();
    let of_file = broker.call("text.count_file", &format!(r#"{{"counter_id": "{id}", "file": "{}"}}"#, file.display()));
    assert!(of_file.contains('7'), "{of_file}");
    assert!(broker.run(&["reload"]).status.success());
    assert!(more("again").contains('8'));
    let perl = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../perl/lib");
    let script = format!(
        "print CPANBridge->new(socket => '{}')->call('text.close', {{ counter_id => '{id}' }})->{{closed}}",
        broker.socket().display()
    );
    let output = Command::new("perl").arg("-I").arg(perl).args(["-MCPANBridge", "-e", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1", "{output:?}");
}
