//! The small forms at their edges: times, labels, numbers, challenges, hex.

mod common;

use common::{at, int};
use tenzik_receipt::{
    Blake3, Challenge, Decode, Encode, Epoch, Int, Label, NotALabel, NotATimestamp, PublicKey,
    Seed, Timestamp, TooLarge, from_hex, to_hex,
};

#[test]
fn times_run_from_1970_to_the_last_second_of_9999() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T12:34:56Z", 951_827_696),
        ("2038-01-19T03:14:08Z", 2_147_483_648),
        ("9999-12-30T22:00:01Z", 253_402_207_201),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
    ] {
        assert_eq!(at(text).unix_seconds(), seconds, "{text}");
        assert_eq!(Timestamp::from_unix_seconds(seconds), Ok(at(text)));
        assert_eq!(at(text).to_string(), text);
        assert_eq!(at(text).to_canonical(), format!("\"{text}\"").into_bytes());
    }
    let over = Timestamp::MAX.unix_seconds() + 1;
    for seconds in [over, i64::MAX as u64, u64::MAX] {
        assert_eq!(Timestamp::from_unix_seconds(seconds), Err(NotATimestamp));
    }
}

#[test]
fn a_time_past_the_last_is_the_last() {
    for seconds in [253_402_300_799, 253_402_300_800, u64::MAX] {
        let last = Timestamp::EPOCH.plus_seconds(seconds);
        assert_eq!(last, Timestamp::MAX);
        assert_eq!(last.to_string().parse(), Ok(last), "it has no fraction");
    }
    assert_eq!(
        at("2026-12-31T23:59:59Z").plus_seconds(1),
        at("2027-01-01T00:00:00Z")
    );
}

#[test]
fn every_day_of_the_calendar_reads_back() {
    for day in (0..2_932_896).step_by(13) {
        let point = Timestamp::from_unix_seconds(day * 86_400 + day % 86_400).expect("in range");
        assert_eq!(point.to_string().parse(), Ok(point));
    }
}

#[test]
fn other_spellings_of_a_time_are_refused() {
    for text in [
        "10000-01-01T00:00:00Z",
        "9999-12-31T24:00:00Z",
        "2026-11-20T08:00:60Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T08:00Z",
        "2026-11-20T08:00:00",
        "2026-11-20T08:00:00z",
        "2026-11-20T08:00:00ZZ",
        "2026-11-20T08:00:00,0Z",
        "2026-11-20T080000Z",
        "20261120T080000Z",
        "2026-11-20",
        "2026-1-20T08:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-W47-5T08:00:00Z",
        "-002026-11-20T08:00:00Z",
        " 2026-11-20T08:00:0Z",
        "2026-11-20T08:00:00Z[UTC]",
        "\u{662}026-11-20T08:00:00Z",
        "Z",
        "",
    ] {
        assert_eq!(text.parse::<Timestamp>(), Err(NotATimestamp), "{text}");
    }
}

#[test]
fn labels_are_1_to_256_bytes_of_plain_ascii() {
    for byte in 0..=127_u8 {
        let plain = (0x20..=0x7e).contains(&byte) && byte != b'"' && byte != b'\\';
        let text = char::from(byte).to_string();
        assert_eq!(Label::new(text).is_ok(), plain, "{byte:#x}");
        let read = Label::from_canonical(&[b'"', byte, b'"']);
        assert_eq!(read.is_ok(), plain, "{byte:#x}");
    }
    for (length, fits) in [(0, false), (1, true), (256, true), (257, false)] {
        let text = "x".repeat(length);
        let quoted = format!("\"{text}\"");
        assert_eq!(
            Label::from_canonical(quoted.as_bytes()).is_ok(),
            fits,
            "{length}"
        );
        assert_eq!(Label::new(text).is_ok(), fits, "{length}");
    }
    assert_eq!(Label::new("naïve"), Err(NotALabel));
    assert_eq!(Label::new("\u{2028}"), Err(NotALabel));
}

#[test]
fn labels_sort_by_their_bytes() {
    let mut labels = ["b", "a", "B", "aa", "a b", "_", "0"].map(common::label);
    labels.sort();
    assert_eq!(
        labels.map(|label| label.to_string()),
        ["0", "B", "_", "a", "a b", "aa", "b"]
    );
}

#[test]
fn numbers_end_below_two_to_the_53() {
    let limit = 1_u64 << 53;
    assert_eq!(Int::new(limit - 1), Ok(Int::MAX));
    assert_eq!(Int::new(limit), Err(TooLarge { got: limit }));
    assert_eq!(Int::try_from(u64::MAX), Err(TooLarge { got: u64::MAX }));
    for number in [0, 1, 9, 10, 99, 1_000_000_000_000_000, limit - 1] {
        let text = int(number).to_canonical();
        assert_eq!(text, number.to_string().into_bytes());
        assert_eq!(Int::from_canonical(&text), Ok(int(number)));
    }
    for text in [
        "",
        "00",
        "01",
        "-0",
        "1 ",
        " 1",
        "9007199254740992",
        "90071992547409910",
        "\u{661}",
    ] {
        assert!(Int::from_canonical(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn challenges_have_16_to_64_bytes() {
    for (length, fits) in [
        (0, false),
        (15, false),
        (16, true),
        (64, true),
        (65, false),
        (1000, false),
    ] {
        assert_eq!(Challenge::new(vec![0xa5; length]).is_ok(), fits, "{length}");
        let digits = "a5".repeat(length);
        assert_eq!(Challenge::from_hex(&digits).is_ok(), fits, "{length}");
        let read = Challenge::from_canonical(format!("\"{digits}\"").as_bytes());
        assert_eq!(read.is_ok(), fits, "{length}");
    }
    for digits in [
        "A5".repeat(16),
        "a".repeat(33),
        "g0".repeat(16),
        "é0".repeat(16),
        " a".repeat(16),
    ] {
        assert!(Challenge::from_hex(&digits).is_err(), "{digits}");
    }
}

#[test]
fn hex_is_lower_case_and_whole() {
    assert_eq!(to_hex(&[0, 0x0f, 0xf0, 0xff]), "000ff0ff");
    assert_eq!(from_hex("000ff0ff"), Some(vec![0, 0x0f, 0xf0, 0xff]));
    assert_eq!(from_hex(""), Some(Vec::new()));
    for digits in ["0", "0F", "0g", "0x00", " 00", "00 ", "é", "\u{660}0"] {
        assert_eq!(from_hex(digits), None, "{digits}");
    }
    for byte in 0..=255_u8 {
        let reads = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let text = char::from(byte).to_string() + "0";
        assert_eq!(from_hex(&text).is_some(), reads, "{byte:#x}");
    }
}

#[test]
fn digests_and_keys_are_read_with_their_own_prefix_only() {
    let digits = "ab".repeat(32);
    assert!(format!("blake3:{digits}").parse::<Blake3>().is_ok());
    assert!(format!("ed25519:{digits}").parse::<PublicKey>().is_ok());
    assert!(digits.parse::<Seed>().is_ok());
    assert!("ab".repeat(16).parse::<Epoch>().is_ok());
    for text in [
        digits.clone(),
        format!("sha256:{digits}"),
        format!("BLAKE3:{digits}"),
        format!("blake3: {digits}"),
        format!("blake3:{digits}0"),
        format!("blake3:{digits}00"),
        format!("blake3:{}", &digits[1..]),
        format!("blake3:{}", digits.to_uppercase()),
        format!("blake3:blake3:{digits}"),
    ] {
        assert!(text.parse::<Blake3>().is_err(), "{text}");
        assert!(
            Blake3::from_canonical(format!("\"{text}\"").as_bytes()).is_err(),
            "{text}"
        );
    }
    assert!(
        format!("ed25519:{}", "ab".repeat(64))
            .parse::<PublicKey>()
            .is_err()
    );
}
