//! Mail: to a server that answers by script.

use std::path::Path;
use std::sync::Arc;

use blockwarden::model::{
    FailureClass, MailSecurity, MailSettings, News, OutboxRow, Reason, ReceiverKind, Secret, SecretSource, TlsSettings,
};
use blockwarden::notify::{Sender, open};

use crate::support::mail_text::body;
use crate::support::notifications::{context, corrupt, ended, row, samples};
use crate::support::smtp_server::{Encryption, SmtpServer, Turn};
use crate::{message, receiver};

fn settings(server: &SmtpServer, security: MailSecurity) -> MailSettings {
    let ca = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls/ca.pem");
    MailSettings {
        from: "Blockwarden <blockwarden@example.com>".to_owned(),
        to: vec!["on-call@example.com".to_owned()],
        host: server.address.ip().to_string(),
        port: server.address.port(),
        security,
        tls: TlsSettings {
            ca_file: ca.display().to_string(),
            server_name: "storage.test".to_owned(),
            ..TlsSettings::default()
        },
        login: None,
        hello: Some("bw.example.com".to_owned()),
    }
}

fn mail(settings: MailSettings) -> Arc<dyn Sender> {
    open(&receiver(ReceiverKind::Mail(Box::new(settings))), &context()).unwrap()
}

fn login(user: &str, password: &str) -> (String, SecretSource) {
    (user.to_owned(), SecretSource::Inline(Secret::new(password.to_owned())))
}

/// The mail that is made of a row, as a server gets it.
pub(crate) async fn delivered(row: &OutboxRow) -> String {
    let server = SmtpServer::start(Encryption::None, None);
    mail(settings(&server, MailSecurity::None)).send(&message(row, None)).await.unwrap();
    server.taken()[0].data.clone()
}

fn header<'m>(mail: &'m str, name: &str) -> Option<&'m str> {
    mail.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn first() -> OutboxRow {
    row(Reason::First, vec![(corrupt(), Some(News::Fired))])
}

#[tokio::test]
async fn mails_are_encrypted_as_demanded_and_never_less() {
    for (encryption, security) in [
        (Encryption::None, MailSecurity::None),
        (Encryption::StartTls, MailSecurity::StartTls),
        (Encryption::Implicit, MailSecurity::Implicit),
    ] {
        for how in ["PLAIN LOGIN", "PLAIN", "LOGIN"] {
            let server = SmtpServer::start(encryption, Some(("bw", "pass", how)));
            let mut settings = settings(&server, security);
            settings.login = Some(login("bw", "pass"));
            let sender = mail(settings);
            let said = sender.send(&message(&first(), None)).await.unwrap().said;
            assert!(said.starts_with("250 2.0.0 queued"), "{said}");
            let taken = server.taken();
            assert_eq!((taken.len(), taken[0].encrypted), (1, encryption != Encryption::None));
            assert_eq!(
                (taken[0].user.as_deref(), taken[0].to.as_slice()),
                (Some("bw"), &["on-call@example.com".to_owned()][..])
            );
            let said = sender.probe().await.unwrap().unwrap();
            assert!(said.contains("takes name and password"), "{said}");
            assert_eq!(server.taken().len(), 1, "a probe sends nothing");
        }
    }
    // not offered: nothing is sent, no password above all
    let server = SmtpServer::start(Encryption::None, Some(("bw", "pass", "PLAIN")));
    let mut settings = settings(&server, MailSecurity::StartTls);
    settings.login = Some(login("bw", "pass"));
    let error = mail(settings).send(&message(&first(), None)).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Authentication, "{error}");
    assert!(error.message.contains("STARTTLS"), "{error}");
    assert!(server.commands().iter().all(|command| !command.starts_with("AUTH")), "{:?}", server.commands());
}

#[tokio::test]
async fn a_certificate_for_somebody_else_is_refused() {
    for (encryption, security) in
        [(Encryption::StartTls, MailSecurity::StartTls), (Encryption::Implicit, MailSecurity::Implicit)]
    {
        let server = SmtpServer::start(encryption, None);
        let mut other_name = settings(&server, security);
        other_name.tls.server_name = "elsewhere.test".to_owned();
        let mut other_roots = settings(&server, security);
        other_roots.tls.ca_file = String::new();
        for settings in [other_name, other_roots] {
            let error = mail(settings).send(&message(&first(), None)).await.unwrap_err();
            assert_eq!((error.class, error.maybe_sent), (FailureClass::Transient, false), "{error}");
        }
        assert_eq!(server.taken().len(), 0);
    }
}

#[tokio::test]
async fn what_the_server_says_decides_what_is_done_next() {
    use FailureClass::{Authentication, Permanent, Timeout, Transient};
    let say = |text: &str| Turn::Say(text.to_owned());
    for (command, turn, class, maybe_sent) in [
        ("connect", say("421 4.3.2 come back later"), Transient, false),
        ("connect", say("554 5.7.1 you are on a list"), Authentication, false),
        ("connect", Turn::Silence, Transient, false),
        ("connect", Turn::Close, Transient, false),
        ("EHLO", Turn::Silence, Transient, false),
        ("AUTH", say("535 5.7.8 no"), Authentication, false),
        ("AUTH", say("454 4.7.0 not now"), Transient, false),
        ("MAIL", say("530 5.7.0 log in"), Authentication, false),
        ("MAIL", say("421 4.3.0 closing"), Transient, false),
        ("MAIL", say("552 5.3.4 too big"), Permanent, false),
        ("RCPT", say("450 4.2.1 mailbox busy"), Transient, false),
        ("RCPT", say("550 5.1.1 nobody"), Permanent, false),
        ("RCPT", Turn::Silence, Transient, false),
        ("DATA", say("451 4.3.0 disk"), Transient, false),
        ("DATA", Turn::Close, Transient, false),
        ("content", say("452 4.3.1 disk full"), Transient, false),
        ("content", say("554 5.6.0 spam"), Permanent, false),
        ("content", Turn::Silence, Timeout, true),
        ("content", Turn::Close, Timeout, true),
    ] {
        let server = SmtpServer::start(Encryption::StartTls, Some(("bw", "hidden", "PLAIN")));
        server.next(command, turn.clone());
        let mut settings = settings(&server, MailSecurity::StartTls);
        settings.login = Some(login("bw", "hidden"));
        let error = mail(settings).send(&message(&first(), None)).await.unwrap_err();
        assert_eq!((error.class, error.maybe_sent), (class, maybe_sent), "{command} {turn:?}: {error}");
        assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
        assert_eq!(server.taken().len(), 0);
    }
    // after the message has been taken nothing can go wrong any more
    let server = SmtpServer::start(Encryption::None, None);
    server.next("QUIT", Turn::Close);
    mail(settings(&server, MailSecurity::None)).send(&message(&first(), None)).await.unwrap();
}

#[tokio::test]
async fn one_bad_mailbox_keeps_nothing_from_the_others() {
    let server = SmtpServer::start(Encryption::None, None);
    server.next("RCPT TO:<b@", Turn::Say("550 5.1.1 nobody".to_owned()));
    let sender = mail(settings(&server, MailSecurity::None));
    let mut results = Vec::new();
    for recipient in ["a@example.com", "b@example.com", "c@example.com"] {
        let row = OutboxRow { recipient: recipient.to_owned(), ..first() };
        results.push(sender.send(&message(&row, None)).await.is_ok());
    }
    assert_eq!(results, [true, false, true]);
    let to: Vec<String> = server.taken().iter().flat_map(|taken| taken.to.clone()).collect();
    assert_eq!(to, ["a@example.com", "c@example.com"]);
}

#[tokio::test]
async fn all_mails_of_an_incident_are_one_thread() {
    let over = row(Reason::Ended, vec![(ended(corrupt(), blockwarden::model::FindingEnd::Resolved), None)]);
    let (fired, over) = (delivered(&first()).await, delivered(&OutboxRow { id: "1".repeat(16), ..over }).await);
    assert_eq!(header(&fired, "Message-ID"), Some("<00c0ffee00c0ffee@bw.example.com>"));
    assert_eq!(header(&over, "Message-ID"), Some("<1111111111111111@bw.example.com>"));
    for mail in [&fired, &over] {
        for name in ["References", "In-Reply-To"] {
            assert_eq!(header(mail, name), Some("<incident-5eed5eed5eed5eed@bw.example.com>"));
        }
        assert_eq!(header(mail, "Auto-Submitted"), Some("auto-generated"));
        assert_eq!(header(mail, "Date"), Some("Sat, 21 Nov 2026 03:12:00 +0000"));
    }
    let subject = |mail: &str| header(mail, "Subject").unwrap().to_owned();
    assert_eq!(subject(&fired), subject(&over).replace("[RESOLVED]", "[CRITICAL]"));
    // the same row is the same mail, so that a repeat can be told
    assert_eq!(header(&delivered(&first()).await, "Message-ID"), header(&fired, "Message-ID"));
}

#[tokio::test]
async fn what_was_refused_for_its_form_is_sent_as_text_alone() {
    for (name, row) in samples() {
        let row = OutboxRow { plain: true, ..row };
        let mail = delivered(&row).await;
        assert!(!mail.contains("multipart/") && !mail.contains("text/html"), "{name}");
        assert!(body(&mail, "text/plain").len() > 60, "{name}");
    }
}
