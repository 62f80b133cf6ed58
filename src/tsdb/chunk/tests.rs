//! Chunks small enough to be written by hand, and what is wrong with others.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::bits::{Bits, signed, twos_complement};
use super::*;
use crate::model::{Damage, Severity};

/// Bits from the most significant on.
#[derive(Clone, Default)]
struct Writer(Vec<bool>);

impl Writer {
    fn bits(mut self, text: &str) -> Self {
        self.0.extend(text.chars().filter(|bit| *bit != ' ').map(|bit| bit == '1'));
        self
    }

    fn put(mut self, value: u64, count: u32) -> Self {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn zeros(mut self, count: usize) -> Self {
        self.0.extend(std::iter::repeat_n(false, count));
        self
    }

    fn uvarint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self = self.put(value & 0x7f | 0x80, 8);
            value >>= 7;
        }
        self.put(value, 8)
    }

    fn varint(self, value: i64) -> Self {
        self.uvarint((value << 1 ^ (value >> 63)).cast_unsigned())
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| (0..8).fold(0, |byte, idx| byte << 1 | u8::from(bits.get(idx) == Some(&true)));
        self.0.chunks(8).map(byte).collect()
    }
}

/// A chunk of XOR up to and with its first sample.
fn xor_of(samples: u64, first: i64) -> Writer {
    Writer::default().put(samples, 16).varint(first).put(1.0_f64.to_bits(), 64)
}

/// A chunk of XOR2 without starts up to and with its first sample.
fn xor2_of(samples: u64, first: i64) -> Writer {
    Writer::default().put(samples, 16).put(0, 8).varint(first).put(1.0_f64.to_bits(), 64)
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// What is read, and the broken rules.
fn read(encoding: u8, data: &[u8]) -> (Option<ChunkFacts>, Vec<&'static str>) {
    let mut ids = Vec::new();
    let facts = read_chunk(encoding, data, Depth::Samples, &mut |rule, at, expected, found| {
        assert!(at <= data.len() && expected != found, "{} at {at}: expected {expected}, found {found}", rule.id);
        ids.push(rule.id);
    });
    (facts, ids)
}

#[track_caller]
fn sound(encoding: u8, data: &[u8], at_ms: &[i64]) {
    let (facts, broken) = read(encoding, data);
    assert_eq!(broken, [""; 0]);
    let facts = facts.unwrap();
    assert_eq!(facts.kind, Encoding::new(encoding).unwrap().kind());
    assert_eq!(usize::try_from(facts.samples), Ok(at_ms.len()));
    assert_eq!((facts.first_ms, facts.last_ms), (at_ms[0], at_ms.last().copied()));
    assert_eq!(times(encoding, data).unwrap().at_ms, at_ms);
}

#[track_caller]
fn broken(encoding: u8, data: &[u8], rule: &Rule) {
    assert_eq!(read(encoding, data).1, [rule.id]);
}

#[test]
fn a_chunk_of_each_encoding_is_read() {
    let scrapes = [1_767_225_600_000, 1_767_225_615_000, 1_767_225_630_000];
    sound(1, &hex("000380a0d5edee660000000000000000987500"), &scrapes);
    let histograms = "000400748c6578c67f7159e00000000000000000f83a989b117ffe31231c25fff115f589a440";
    sound(2, &hex(histograms), &[-30_001, -15_001, -1, 15_000]);
    let floats = "0003007446517f0000cdbb6d54001ffc0000000000001ff40000000000001ff800000000000000000000000000001ff4000000000000\
                  7c1d4c612fffb097ffd84effd5ac4d6c0788bffb000a";
    sound(3, &hex(floats), &scrapes);
    sound(4, &hex("000481d00f0000000000000000c8010f18f63c"), &[1000, 1015, 1030, 1045]);
    sound(5, &hex("4003807446479056913ff00000000000009d6880b1e000"), &[1045, 1060, 1075]);
    let floats =
        "0003807446478fa10020000000000000ffa0000000000000ffc00000000000010008000000000000000000000000000320071e0000";
    sound(6, &hex(floats), &[1000, 1015, 1030]);
    assert_eq!(times(5, &hex("4003807446479056913ff00000000000009d6880b1e000")).unwrap().start_ms, [900; 3]);
}

#[test]
fn only_known_encodings_are_read() {
    let known: Vec<u8> = (0..=255).filter(|encoding| is_known(*encoding)).collect();
    assert_eq!(known, [1, 2, 3, 4, 5, 6, 255]);
    for encoding in 0..=255 {
        let named = !["none", "unknown"].contains(&encoding_name(encoding));
        assert_eq!(named, is_known(encoding), "{encoding}");
        if !named {
            assert_eq!(read(encoding, &xor_of(1, 0).bytes()), (None, vec![rules::ENCODING.id]));
        }
    }
}

#[test]
fn numbers_have_the_signs_that_the_formats_give_them() {
    assert_eq!([0, 1, 8191, 8192, 8193, 16383].map(|raw| signed(raw, 14)), [0, 1, 8191, 8192, -8191, -1]);
    assert_eq!([0, 4, 5, 7].map(|raw| signed(raw, 3)), [0, 4, -3, -1]);
    assert_eq!((signed(0, 0), signed(1 << 63, 64), signed(u64::MAX, 64)), (0, i64::MIN, -1));
    assert_eq!([0, 4095, 4096, 8191].map(|raw| twos_complement(raw, 13)), [0, 4095, -4096, -1]);
    assert_eq!(twos_complement(u64::MAX - 1, 64), -2);
}

#[test]
fn numbers_of_variable_width_are_read_at_any_bit() {
    for shift in 0..8 {
        let mut writer = Writer::default().put(0, shift);
        for (ones, width) in [0, 3, 6, 9, 12, 18, 25, 56, 64].into_iter().enumerate() {
            let prefix = if ones == 8 { "11111111".to_owned() } else { format!("{}0", "1".repeat(ones)) };
            writer = writer.bits(&prefix).put(u64::MAX, width);
        }
        let bytes = writer.bytes();
        let mut bits = Bits::new(&bytes, 0);
        bits.skip(shift);
        let read: Vec<u64> = (0..9).map(|_| bits.varbit_uint()).collect();
        assert_eq!(read, [0, 7, 63, 511, 4095, 0x3_ffff, 0x1ff_ffff, (1 << 56) - 1, u64::MAX]);
        assert!(!bits.is_short() && bits.left() < 8);
        bits.read(8);
        assert!(bits.is_short());
    }
}

#[test]
fn times_of_every_range_are_read() {
    let long = |dod: i64| Writer::default().bits("1111").put(dod.cast_unsigned(), 64);
    let join = |mut a: Writer, b: Writer| {
        a.0.extend(b.0);
        a
    };
    // as far as times go: the difference wraps
    let whole_range = xor_of(2, i64::MIN).uvarint(u64::MAX).bits("0");
    sound(1, &whole_range.bytes(), &[i64::MIN, i64::MAX]);
    let far = join(xor_of(3, -5).uvarint(1).bits("0"), long(1 << 61)).bits("0");
    sound(1, &far.bytes(), &[-5, -4, (1 << 61) - 3]);
    for (prefix, width, raw, dod) in [("10", 14, 8192, 8192), ("110", 17, 65_537, -65_535), ("1110", 20, 1, 1)] {
        let writer = xor_of(3, 0).uvarint(100_000).bits("0").bits(prefix).put(raw, width).bits("0");
        sound(1, &writer.bytes(), &[0, 100_000, 200_000 + dod]);
    }
    for (prefix, width, raw, dod) in [("110", 13, 4096, -4096), ("1110", 20, 0x8_0000, -0x8_0000), ("11110", 64, 7, 7)]
    {
        let writer = xor2_of(3, 0).uvarint(900_000).bits("0").bits(prefix).put(raw, width).bits("0");
        sound(4, &writer.bytes(), &[0, 900_000, 1_800_000 + dod]);
    }
    let paces = xor_of(200, 0).uvarint(15_000).bits("0");
    let at_ms: Vec<i64> = (0..200).map(|idx| idx * 15_000).collect();
    sound(1, &paces.zeros(396).bytes(), &at_ms);
    sound(4, &xor2_of(200, 0).uvarint(15_000).bits("0").zeros(198).bytes(), &at_ms);
}

#[test]
fn values_of_every_form_are_stepped_over() {
    let values = [
        "0",
        // 64 bits in a window that nobody has opened
        &format!("10 {}", "1".repeat(64)),
        // a window of 64 bits, which is written as 0
        &format!("11 00000 000000 {}", "10".repeat(32)),
        "11 11111 100001 101010101010101010101010101010101",
        "11 00011 000001 1",
    ];
    for value in values {
        let writer = xor_of(2, 5).uvarint(10).bits(value);
        sound(1, &writer.bytes()[..writer.0.len().div_ceil(8)], &[5, 15]);
        sound(1, &xor_of(3, 5).uvarint(10).bits(value).bits("0 0").bytes(), &[5, 15, 25]);
    }
    for value in ["0", "111", "110 00011 000001 1 "] {
        sound(4, &xor2_of(2, 5).uvarint(10).bits(value).bytes(), &[5, 15]);
        // each control: nothing new, a new value, another pace, a marker of staleness
        for (next, dod) in [("0", 0), ("10 1 00000 000010 11", 0), ("11111", 0), ("110 0000000000001 111", 1)] {
            sound(4, &xor2_of(3, 5).uvarint(10).bits(value).bits(next).bytes(), &[5, 15, 25 + dod]);
        }
    }
}

#[test]
fn what_cannot_be_is_noted() {
    let whole = xor_of(2, 5).uvarint(10).bits("0");
    for (data, rule) in [
        (vec![], &rules::SHORT),
        (vec![0], &rules::SHORT),
        (vec![0, 0], &rules::EMPTY),
        (vec![0, 1], &rules::SHORT),
        (vec![0, 1, 2], &rules::SHORT),
        ([&[0, 1][..], &[0xff; 10]].concat(), &rules::NUMBER),
        (xor_of(2, 5).bytes(), &rules::SHORT),
        (xor_of(6, 5).uvarint(10).bits("0").bytes(), &rules::SHORT),
        (xor_of(2, 5).uvarint(0).bits("0").bytes(), &rules::ORDER),
        (xor_of(2, 5).uvarint(u64::MAX).bits("0").bytes(), &rules::ORDER),
        (xor_of(2, i64::MAX).uvarint(1).bits("0").bytes(), &rules::ORDER),
        (xor_of(12, i64::MAX - 50).uvarint(10).bits("0").put(0, 20).bytes(), &rules::ORDER),
        (xor_of(2, 5).uvarint(10).bits("11 11111 100010").put(0, 40).bytes(), &rules::WINDOW),
        (whole.clone().put(0, 7).bits("1").bytes(), &rules::REST),
        (whole.clone().put(0, 16).bytes(), &rules::REST),
        (whole.bits("0000001").bytes(), &rules::REST),
    ] {
        broken(1, &data, rule);
    }
    // writers before 3.0 leave a whole zero byte if the last one is full
    sound(1, &xor_of(1, 5).put(0, 8).bytes(), &[5]);
    for (data, rule) in [
        (xor2_of(2, 5).uvarint(10).bits("110 11111 100010").put(0, 40).bytes(), &rules::WINDOW),
        (xor2_of(3, 5).uvarint(10).bits("0 10 1 11111 100010").put(0, 40).bytes(), &rules::WINDOW),
        (xor2_of(3, 5).uvarint(10).bits("0 110 1111111110110 0").bytes(), &rules::ORDER),
        (xor2_of(3, 5).uvarint(10).bits("0 11110").put(u64::MAX, 20).bytes(), &rules::SHORT),
    ] {
        broken(4, &data, rule);
    }
}

#[test]
fn a_header_for_starts_fits_its_chunk() {
    let with = |header: u64| Writer::default().put(2, 16).put(header, 8).varint(50).put(0, 64);
    let sound_one = with(1).uvarint(10).bits("0 110 000010");
    sound(4, &sound_one.bytes(), &[50, 60]);
    assert_eq!(times(4, &sound_one.bytes()).unwrap().start_ms, [0, 48]);
    broken(4, &with(2).uvarint(10).bits("0").bytes(), &rules::STARTS);
    broken(4, &with(0x80).varint(-20).uvarint(10).bits("0").bytes(), &rules::START_LATER);
    sound(4, &with(0x80).varint(20).uvarint(10).bits("0").bytes(), &[50, 60]);
}

#[test]
fn the_head_needs_no_more_than_the_head() {
    let mut broken = Vec::new();
    let mut note = |rule: &'static Rule, _: usize, _: String, _: String| broken.push(rule.id);
    let data = xor_of(300, 77).bytes();
    let facts = read_chunk(1, &data[..5], Depth::Head, &mut note).unwrap();
    assert_eq!((facts.samples, facts.first_ms, facts.last_ms), (300, 77, None));
    let histogram = hex("0003007446517f0000cdbb6d54004a27fe");
    let facts = read_chunk(2, &histogram, Depth::Head, &mut note).unwrap();
    assert_eq!((facts.samples, facts.first_ms), (3, 1_767_225_600_000));
    assert_eq!(read_chunk(2, &histogram[..9], Depth::Head, &mut note), None);
    assert_eq!(broken, [rules::SHORT.id]);
    // what is known is given, although the rest is damaged
    let (facts, ids) = read(2, &histogram);
    assert_eq!(facts.map(|facts| (facts.samples, facts.first_ms, facts.last_ms)), Some((3, 1_767_225_600_000, None)));
    assert_eq!(ids, [rules::SHORT.id]);
}

#[test]
fn lengths_that_bytes_claim_take_neither_memory_nor_time() {
    // schema 0, then one span of 2^63 buckets
    let head = Writer::default().put(u64::from(u16::MAX), 16).put(0, 8).put(0, 8).bits("0");
    let huge = head.clone().bits("10 001 11111111").put(1 << 63, 64).bits("0 0");
    let spans = head.clone().bits("11111111").put(u64::MAX, 64);
    // schema -53, no spans, 2^63 bounds
    let custom = Writer::default().put(1, 16).put(0, 16).bits("1110 111001011 0 0 11111111").put(1 << 63, 64);
    for (data, rule) in [(huge, &rules::SHORT), (spans, &rules::SHORT), (custom, &rules::SHORT)] {
        for encoding in [2, 3] {
            let data = data.clone().zeros(4000).bytes();
            let (_, ids) = read(encoding, &data);
            assert!(
                ids.contains(&rule.id) || ids.contains(&rules::BOUNDS.id) || ids.contains(&rules::REST.id),
                "{ids:?}"
            );
        }
    }
    // more buckets than are kept, each of them there
    let many = head.bits("10 001 11111110").put(1 << 19, 56).bits("0 0").zeros((1 << 19) + 74).bytes();
    let (facts, _) = read(2, &[&[0, 1], &many[2..]].concat());
    assert_eq!(facts.map(|facts| facts.samples), Some(1));
}

#[test]
fn rules_have_names_of_their_own() {
    let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), RULES.len());
    for rule in RULES {
        let decodes = rule.severity != Severity::Critical;
        assert_eq!(rule.damage == Damage::Chunk, !decodes && rule.damage != Damage::Unsupported, "{}", rule.id);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_in_the_same_way_by_both_ways(
        encoding in prop_oneof![Just(1_u8), Just(2), Just(3), Just(4), Just(5), Just(6), Just(255)],
        samples in 1_u16..200,
        body in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..300),
    ) {
        let data = if encoding == 255 { body } else { [&samples.to_be_bytes()[..], &body].concat() };
        let (facts, broken) = read(encoding, &data);
        let times = times(encoding, &data);
        if encoding != 255 {
            let last = facts.and_then(|facts| facts.last_ms);
            prop_assert_eq!(last, times.as_ref().and_then(|times| times.at_ms.last().copied()));
            let ascends = times.is_some_and(|times| times.at_ms.is_sorted_by(|a, b| a < b));
            let critical = RULES.iter().any(|rule| rule.severity == Severity::Critical && broken.contains(&rule.id));
            prop_assert_eq!(!critical, ascends);
        }
    }
}
