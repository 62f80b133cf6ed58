//! YAML as such: syntax, anchors, limits, places.

use super::*;

/// What is wrong with a document of our own, as `place: message`.
fn wrong_main(text: &str) -> Vec<String> {
    Folder::new(text).load().map_or_else(|lines| lines, |_| Vec::new())
}

#[test]
fn what_is_no_yaml_is_said_with_its_place() {
    for (text, start) in [
        ("type: S3\nconfig: {bucket: a\nprefix: x\n", "3:"),
        ("type: S3\nconfig:\n\tbucket: a\n", "3:"),
        ("type: 'S3\n", "1:7"),
        ("type: *nowhere\n", "1:7"),
        ("a: b: c\n", "1:5"),
        ("type: `S3`\n", "1:7"),
        ("- a\nb: c\n", "2:1"),
        ("type: S3\n\u{7}\n", ""),
    ] {
        let lines = wrong(text);
        assert!(lines.len() == 1 && lines[0].starts_with(start), "{text:?}: {lines:?}");
        assert!(lines[0].contains("is not valid YAML"), "{text:?}: {lines:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let folder = Folder::new("");
    folder.write("main.yaml", b"retention: {raw: \xff}");
    assert_eq!(folder.load().unwrap_err(), ["main.yaml: is not UTF-8 text"]);
}

#[test]
fn a_file_that_cannot_be_read_is_said_with_the_reason() {
    let missing = Path::new("/nonexistent/main.yaml");
    let errors = load(Some(missing), None, &Environment::default(), &[]).unwrap_err();
    assert_eq!(errors.to_string(), "/nonexistent/main.yaml: cannot be read: there is no such file");
    let source = ObjstoreSource::File("/".into());
    let errors = load(None, Some(&source), &Environment::default(), &[]).unwrap_err();
    assert_eq!(errors.to_string(), "/: cannot be read: it is a directory");
}

#[test]
fn anchors_aliases_and_merge_keys_are_resolved() {
    let folder = Folder::new(
        "retention: &r {raw: 30d, 5m: 90d}\n\
         buckets:\n\
         - name: a\n  objstore_config_file: objstore.yaml\n  retention: {<<: *r, 5m: 1y}\n\
         - name: b\n  objstore_config: {type: FILESYSTEM, config: {directory: /b}}\n  retention: *r\n",
    );
    let policy = folder.load().unwrap().policy;
    let day = 24 * 3_600_000;
    assert_eq!(policy.bucket("a").retention.raw, Some(30 * day));
    assert_eq!(policy.bucket("a").retention.five_minutes, Some(365 * day));
    assert_eq!(policy.bucket("b").retention.five_minutes, Some(90 * day));
}

#[test]
fn only_the_first_document_counts_and_a_byte_order_mark_is_dropped() {
    let text = "\u{feff}---\ntype: FILESYSTEM\nconfig: {directory: /a}\n---\nnonsense: [\n";
    assert!(inline(text, &Environment::default()).is_ok());
}

#[test]
fn documents_without_measure_are_refused() {
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned()
        + "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
        + "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
        + "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
        + "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n"
        + "f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]\n";
    let flow = format!("a: {}{}", "[".repeat(40), "]".repeat(40));
    let blocks = (0..40).map(|depth| format!("{}a:", " ".repeat(depth))).collect::<Vec<_>>().join("\n");
    let aliases = (1..60).map(|n| format!("a{n}: &a{n} [*a{}]", n - 1)).collect::<Vec<_>>().join("\n");
    for (text, what) in [
        (bomb.as_str(), "more than 50000 values"),
        (&flow, "nested deeper than 32 levels"),
        (&blocks, "nested deeper than 32 levels"),
        (&format!("a0: &a0 x\n{aliases}"), "nested deeper than 32 levels"),
        ("a: &a [*a]\n", "part of"),
    ] {
        let lines = wrong(text);
        assert!(lines.len() == 1 && lines[0].contains(what), "{lines:?}");
    }
}

#[test]
fn keys_that_are_given_twice_are_mistakes_everywhere() {
    assert_eq!(
        wrong("type: FILESYSTEM\nconfig: {directory: /a, other: {x: 1, x: 2}}\ntype: S3\n"),
        ["2:39: config.other.x: is given twice, first in line 2", "3:1: type: is given twice, first in line 1",]
    );
}

#[test]
fn keys_have_to_be_text_and_tags_to_be_known() {
    for (text, expected) in [
        ("? [a]\n: b\n", "1:3: expected a key, found a list"),
        ("type: !!binary UzM=\nconfig: {}\n", "1:"),
        ("<<: [1]\ntype: FILESYSTEM\nconfig: {directory: /a}\n", "1:1: <<: expected a mapping or a list of mappings"),
    ] {
        let lines = wrong(text);
        assert!(lines[0].starts_with(expected), "{lines:?}");
    }
    let tagged = "type: !!str S3\nconfig: {bucket: !!str 1, endpoint: e, insecure: !!bool yes}\n";
    assert!(inline(tagged, &Environment::default()).is_ok());
}

#[test]
fn a_document_of_another_shape_is_refused() {
    for (text, expected) in [
        ("[]", "main.yaml:1:1: expected a mapping, found a list"),
        ("just text", "main.yaml:1:1: expected a mapping, found a single value"),
        ("", "main.yaml:1:1: buckets: is missing: name at least one bucket here, or give --objstore.config-file FILE"),
        (
            "# nothing\n",
            "main.yaml:1:1: buckets: is missing: name at least one bucket here, or give --objstore.config-file FILE",
        ),
    ] {
        assert_eq!(wrong_main(text), [expected], "{text:?}");
    }
}

/// Any prefix of a good file, and any file with one character changed, is read or refused, without a panic.
#[test]
fn damaged_documents_never_panic() {
    let good = "buckets:\n- &a {objstore_config: {type: s3, config: {bucket: \"b\\u00e9\", endpoint: e, access_key: '$(X)'}}}\nretention: {raw: 1d}\n# é\nchecks: ~\n";
    let chars: Vec<char> = good.chars().collect();
    for at in 0..chars.len() {
        let prefix: String = chars[..at].iter().collect();
        for other in [None, Some("&"), Some("*"), Some("["), Some("}"), Some("\n"), Some("\t"), Some("!"), Some("|")] {
            let suffix: String = if other.is_some() { chars[at + 1..].iter().collect() } else { String::new() };
            let text = format!("{prefix}{}{suffix}", other.unwrap_or_default());
            let mut mistakes = Mistakes::default();
            let environment = [("X", "1")].into_iter().collect();
            let source = Source::new("f".into(), text.as_bytes(), &environment, &mut mistakes).unwrap();
            let node = yaml::parse(&source, &mut mistakes);
            assert!(node.is_some() || mistakes.finish(()).is_err());
        }
    }
}
