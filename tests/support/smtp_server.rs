//! A mail server that answers by script and remembers what it was given and when. One thread per connection, so that it
//! serves other processes, too.
#![expect(clippy::unwrap_used, reason = "whatever fails in here fails the test that uses it")]

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::time::Instant;

/// When a connection becomes encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// Never; `STARTTLS` is not offered.
    None,
    /// After `STARTTLS`.
    StartTls,
    /// From the beginning.
    Implicit,
}

/// What is done at a command.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// This line, with its code.
    Say(String),
    /// Nothing, until the client goes.
    Silence,
    /// The connection is closed.
    Close,
}

/// A mail that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) at: Instant,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// Headers and body, with dots unstuffed.
    pub(crate) data: String,
    pub(crate) encrypted: bool,
    pub(crate) user: Option<String>,
}

/// See the module. Ends with the process.
pub(crate) struct SmtpServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    encryption: Encryption,
    tls: Arc<ServerConfig>,
    /// Name and password that are demanded, and by which mechanisms.
    login: Option<(String, String, &'static str)>,
    taken: Mutex<Vec<Taken>>,
    commands: Mutex<Vec<String>>,
    script: Mutex<BTreeMap<String, VecDeque<Turn>>>,
}

impl SmtpServer {
    pub(crate) fn start(encryption: Encryption, login: Option<(&str, &str, &'static str)>) -> Self {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
        let certificate = CertificateDer::from_pem_file(fixtures.join("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(fixtures.join("server-key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            encryption,
            tls: Arc::new(tls),
            login: login.map(|(user, password, how)| (user.to_owned(), password.to_owned(), how)),
            taken: Mutex::default(),
            commands: Mutex::default(),
            script: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                thread::spawn(move || drop(connection(stream, &shared)));
            }
        });
        Self { address, shared }
    }

    /// The next command that begins so gets this; several are taken in order. `connect` is the greeting, `content` the
    /// end of a message.
    pub(crate) fn next(&self, command: &str, turn: Turn) {
        self.shared.script.lock().unwrap().entry(command.to_uppercase()).or_default().push_back(turn);
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// Commands as they came, passwords too.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().unwrap().clone()
    }
}

impl Shared {
    fn turn(&self, command: &str, otherwise: &str) -> Turn {
        let command = command.to_uppercase();
        let mut script = self.script.lock().unwrap();
        let next = script.iter_mut().find(|(start, left)| command.starts_with(start.as_str()) && !left.is_empty());
        next.and_then(|(_, left)| left.pop_front()).unwrap_or_else(|| Turn::Say(otherwise.to_owned()))
    }
}

trait Channel: Read + Write {}
impl<T: Read + Write> Channel for T {}

fn encrypted(stream: TcpStream, shared: &Shared) -> Box<dyn Channel> {
    let tls = ServerConnection::new(Arc::clone(&shared.tls)).unwrap();
    Box::new(StreamOwned::new(tls, stream))
}

fn connection(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    if shared.encryption == Encryption::Implicit {
        let mut channel = encrypted(stream, shared);
        return talk(&mut channel, shared, true, true).map(drop);
    }
    let mut plain: Box<dyn Channel> = Box::new(stream.try_clone()?);
    if talk(&mut plain, shared, false, true)? {
        let mut channel = encrypted(stream, shared);
        talk(&mut channel, shared, true, false)?;
    }
    Ok(())
}

/// `true`: the client has asked for `STARTTLS` and may begin.
fn talk(channel: &mut Box<dyn Channel>, shared: &Shared, is_encrypted: bool, greet: bool) -> std::io::Result<bool> {
    let mut reader = BufReader::new(channel);
    if greet && !act(&mut reader, shared.turn("connect", "220 mail.test ESMTP"))? {
        return Ok(false);
    }
    let (mut from, mut to, mut user) = (String::new(), Vec::new(), None);
    loop {
        let Some(line) = line(&mut reader)? else { return Ok(false) };
        shared.commands.lock().unwrap().push(line.clone());
        let verb = line.split_whitespace().next().unwrap_or_default().to_uppercase();
        let argument = |line: &str| line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let otherwise = match verb.as_str() {
            "EHLO" => greeting(shared, is_encrypted),
            "STARTTLS" if shared.encryption == Encryption::StartTls => "220 go ahead".to_owned(),
            "AUTH" => {
                user = authenticate(&mut reader, shared, &line)?;
                if user.is_some() { "235 welcome".to_owned() } else { "535 5.7.8 wrong name or password".to_owned() }
            }
            "MAIL" if shared.login.is_some() && user.is_none() => "530 5.7.0 log in first".to_owned(),
            "MAIL" | "RCPT" | "NOOP" | "RSET" => "250 fine".to_owned(),
            "DATA" => "354 go on".to_owned(),
            "QUIT" => "221 bye".to_owned(),
            _ => "502 what".to_owned(),
        };
        let turn = shared.turn(&line, &otherwise);
        let accepted = matches!(&turn, Turn::Say(text) if text.starts_with(['2', '3']));
        if !act(&mut reader, turn)? || verb == "QUIT" {
            return Ok(false);
        }
        match verb.as_str() {
            "STARTTLS" if accepted => return Ok(true),
            "MAIL" if accepted => (from, to) = (argument(&line), Vec::new()),
            "RCPT" if accepted => to.push(argument(&line)),
            "DATA" if accepted => {
                let data = content(&mut reader)?;
                let turn = shared.turn("content", "250 2.0.0 queued as 1");
                if matches!(&turn, Turn::Say(text) if text.starts_with('2')) {
                    let (from, to, user) = (from.clone(), to.clone(), user.clone());
                    let taken = Taken { at: Instant::now(), from, to, data, encrypted: is_encrypted, user };
                    shared.taken.lock().unwrap().push(taken);
                }
                if !act(&mut reader, turn)? {
                    return Ok(false);
                }
            }
            _ => {}
        }
    }
}

fn greeting(shared: &Shared, is_encrypted: bool) -> String {
    let mut lines = vec!["mail.test".to_owned(), "8BITMIME".to_owned()];
    if shared.encryption == Encryption::StartTls && !is_encrypted {
        lines.push("STARTTLS".to_owned());
    }
    if let Some((_, _, how)) = &shared.login {
        lines.push(format!("AUTH {how}"));
    }
    let last = lines.len() - 1;
    let all = lines.iter().enumerate().map(|(idx, line)| format!("250{}{line}", if idx == last { ' ' } else { '-' }));
    all.collect::<Vec<_>>().join("\r\n")
}

/// The name, if name and password are right.
fn authenticate(
    reader: &mut BufReader<&mut Box<dyn Channel>>,
    shared: &Shared,
    command: &str,
) -> std::io::Result<Option<String>> {
    let Some((user, password, _)) = &shared.login else { return Ok(None) };
    let decode = |text: &str| String::from_utf8(STANDARD.decode(text).unwrap_or_default()).unwrap_or_default();
    let words: Vec<&str> = command.split_whitespace().collect();
    let given = match words.get(1).copied() {
        Some("PLAIN") => {
            let text = decode(words.get(2).copied().unwrap_or_default());
            let mut parts = text.split('\0').skip(1).map(str::to_owned);
            (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
        }
        Some("LOGIN") => {
            let mut answers = Vec::new();
            for question in ["Username:", "Password:"] {
                write!(reader.get_mut(), "334 {}\r\n", STANDARD.encode(question))?;
                answers.push(decode(&line(reader)?.unwrap_or_default()));
            }
            let password = answers.pop().unwrap_or_default();
            (answers.pop().unwrap_or_default(), password)
        }
        _ => return Ok(None),
    };
    Ok((given == (user.clone(), password.clone())).then(|| user.clone()))
}

/// `false`: it was the last word.
fn act(reader: &mut BufReader<&mut Box<dyn Channel>>, turn: Turn) -> std::io::Result<bool> {
    match turn {
        Turn::Say(text) => {
            reader.get_mut().write_all(format!("{text}\r\n").as_bytes())?;
            reader.get_mut().flush()?;
            Ok(true)
        }
        Turn::Silence => {
            drop(reader.read(&mut [0; 1]));
            Ok(false)
        }
        Turn::Close => Ok(false),
    }
}

fn line(reader: &mut BufReader<&mut Box<dyn Channel>>) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    loop {
        let mut byte = [0];
        if reader.read(&mut byte)? == 0 {
            return Ok(None);
        }
        match byte {
            [b'\n'] => break,
            [other] => bytes.push(other),
        }
    }
    Ok(Some(String::from_utf8_lossy(&bytes).trim_end().to_owned()))
}

fn content(reader: &mut BufReader<&mut Box<dyn Channel>>) -> std::io::Result<String> {
    let mut out = String::new();
    while let Some(line) = line(reader)? {
        if line == "." {
            break;
        }
        out.push_str(line.strip_prefix('.').unwrap_or(&line));
        out.push('\n');
    }
    Ok(out)
}
