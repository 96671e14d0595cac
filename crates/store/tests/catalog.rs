//! The list of receipts: what goes in, what is found, what audits and disputes begin with. Alike in both databases.

mod common;

use std::sync::Arc;

use common::Server;
use proptest::prelude::*;
use tenzik_receipt::{Blake3, ClaimId, PublicKey, ReceiptId, RequestId, Timestamp};
use tenzik_store::{Catalog, CatalogRow, Filter, PostgresDatabase, SqliteDatabase};

#[test]
fn in_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    each(&|name| {
        let database = SqliteDatabase::open(&folder.path().join(name));
        Catalog::new(Arc::new(database.expect("a database"))).expect("a catalog")
    });
}

#[test]
fn in_postgresql() {
    let Some(server) = Server::start() else {
        return;
    };
    each(&|name| {
        let database = PostgresDatabase::open(&server.schema(name));
        Catalog::new(Arc::new(database.expect("a database"))).expect("a catalog")
    });
}

/// `make` gives an empty catalog in a database of this name.
fn each(make: &dyn Fn(&str) -> Catalog) {
    rows_come_in_order_and_are_found(&make("rows"));
    leaves_that_count_late_come_below_the_cursor(&make("late"));
    leaves_that_do_not_count_are_passed_over(&make("gaps"));
    disputes_are_found(&make("disputes"));
    capsules_are_first_seen_once(&make("capsules"));
    a_receipt_has_its_row(&make("receipts"));
    any_filter_gives_what_a_scan_gives(&make("filters"));
}

fn row(origin: &str, index: u64) -> CatalogRow {
    CatalogRow {
        origin: origin.to_owned(),
        index,
        receipt: ReceiptId::from_bytes([index as u8; 32]),
        request: RequestId::from_bytes([(index % 5) as u8; 32]),
        claim: ClaimId::from_bytes([(index % 5) as u8; 32]),
        node: PublicKey::from_bytes([(index % 2) as u8; 32]),
        capsule: Blake3::from_bytes([(index % 3) as u8; 32]),
        kind: ["wasm", "refused"][(index % 2) as usize].to_owned(),
        status: ["ok", "refused", "aborted", "refused"][(index % 4) as usize].to_owned(),
        issued_at: Timestamp::from_unix_seconds(1_000 + index).expect("a time"),
        private: index % 7 == 6,
        replayable: index.is_multiple_of(4),
    }
}

fn leaves_that_count_late_come_below_the_cursor(catalog: &Catalog) {
    catalog
        .insert_up_to("late", &[row("late", 1)], 7)
        .expect("inserted");
    for bad in [row("late", 7), row("other", 2)] {
        assert!(catalog.insert_late("late", &[row("late", 3), bad]).is_err());
    }
    // What is there stays: after a crash the same come again.
    let rows = [row("late", 1), row("late", 5)];
    for _ in 0..2 {
        catalog.insert_late("late", &rows).expect("inserted");
    }
    let of_log = Filter {
        origin: Some("late".to_owned()),
        limit: 10,
        ..Filter::default()
    };
    assert_eq!(catalog.select(&of_log).expect("rows"), rows);
    assert_eq!(catalog.progress("late").expect("rows"), 7);
}

fn leaves_that_do_not_count_are_passed_over(catalog: &Catalog) {
    let rows = [row("gaps", 1), row("gaps", 4)];
    catalog.insert_up_to("gaps", &rows, 7).expect("inserted");
    assert_eq!(catalog.progress("gaps").expect("rows"), 7);
    catalog.insert_up_to("gaps", &[], 9).expect("none counts");
    for bad in [row("gaps", 8), row("gaps", 12), row("other", 10)] {
        assert!(catalog.insert_up_to("gaps", &[bad], 12).is_err());
    }
    let twice = [row("gaps", 10), row("gaps", 10)];
    assert!(catalog.insert_up_to("gaps", &twice, 12).is_err());
    assert!(catalog.insert_up_to("gaps", &[], 8).is_err());
    assert_eq!(catalog.progress("gaps").expect("rows"), 9);
    let of_log = Filter {
        origin: Some("gaps".to_owned()),
        limit: 10,
        ..Filter::default()
    };
    assert_eq!(catalog.select(&of_log).expect("rows"), rows);
}

fn rows_come_in_order_and_are_found(catalog: &Catalog) {
    let rows = |origin: &str, indexes: std::ops::Range<u64>| -> Vec<_> {
        indexes.map(|index| row(origin, index)).collect()
    };
    catalog.insert(&[]).expect("nothing");
    assert_eq!(catalog.progress("a").expect("none"), 0);
    catalog
        .insert(&[rows("b", 0..2), rows("a", 0..10)].concat())
        .expect("inserted");
    catalog.insert(&rows("a", 10..12)).expect("inserted");
    assert_eq!(catalog.progress("a").expect("rows"), 12);
    assert_eq!(catalog.progress("b").expect("rows"), 2);
    for gap in [rows("a", 13..14), rows("a", 11..13), rows("c", 1..2)] {
        assert!(catalog.insert(&gap).is_err());
    }
    // The good half of a refused call is not there either.
    assert!(
        catalog
            .insert(&[rows("a", 12..14), rows("b", 7..8)].concat())
            .is_err()
    );
    assert_eq!(catalog.progress("a").expect("rows"), 12);
    let all = Filter {
        limit: 1_000,
        ..Filter::default()
    };
    assert_eq!(
        catalog.select(&all).expect("rows"),
        [rows("a", 0..12), rows("b", 0..2)].concat()
    );
    let counts = catalog.counts().expect("counts");
    let of = |origin: &str, kind: &str, status: &str| {
        counts.iter().find(|it| {
            (it.origin.as_str(), it.kind.as_str(), it.status.as_str()) == (origin, kind, status)
        })
    };
    assert_eq!(of("a", "wasm", "ok").expect("a count").receipts, 3);
    assert_eq!(of("a", "refused", "refused").expect("a count").receipts, 6);
    assert_eq!(counts.iter().map(|count| count.receipts).sum::<u64>(), 14);
}

/// A row of request `request` with claim `claim` of a run that can be run again.
fn claim(origin: &str, index: u64, request: u8, claim: u8) -> CatalogRow {
    CatalogRow {
        request: RequestId::from_bytes([request; 32]),
        claim: ClaimId::from_bytes([claim; 32]),
        replayable: true,
        private: false,
        ..row(origin, index)
    }
}

fn disputes_are_found(catalog: &Catalog) {
    let aborted = CatalogRow {
        replayable: false,
        ..claim("a", 3, 1, 0xff)
    };
    let honest = [
        claim("a", 0, 1, 1),
        claim("a", 1, 1, 1),
        claim("a", 2, 2, 2),
        aborted,
    ];
    catalog.insert(&honest).expect("inserted");
    assert_eq!(
        catalog.disputed(None, 10).expect("none"),
        [[]; 0] as [[CatalogRow; 0]; 0]
    );
    catalog
        .insert(&[claim("b", 0, 2, 2), claim("b", 1, 1, 9)])
        .expect("inserted");
    let first = vec![claim("a", 0, 1, 1), claim("b", 1, 1, 9)];
    assert_eq!(catalog.disputed(None, 10).expect("one"), [first]);
    catalog
        .insert(&[
            claim("c", 0, 2, 0),
            claim("c", 1, 1, 5),
            claim("c", 2, 1, 5),
        ])
        .expect("inserted");
    let first = vec![
        claim("a", 0, 1, 1),
        claim("c", 1, 1, 5),
        claim("b", 1, 1, 9),
    ];
    let second = vec![claim("c", 0, 2, 0), claim("a", 2, 2, 2)];
    assert_eq!(
        catalog.disputed(None, 10).expect("two"),
        [first.clone(), second.clone()]
    );
    assert_eq!(catalog.disputed(None, 1).expect("one"), [first]);
    let after = Some(RequestId::from_bytes([1; 32]));
    assert_eq!(catalog.disputed(after, 10).expect("one"), [second]);
    let both_in_one = [claim("d", 0, 7, 1), claim("d", 1, 7, 2)];
    catalog.insert(&both_in_one).expect("inserted");
    let after = Some(RequestId::from_bytes([2; 32]));
    assert_eq!(catalog.disputed(after, 10).expect("one"), [both_in_one]);
}

fn capsules_are_first_seen_once(catalog: &Catalog) {
    let of = |origin: &str, index, capsule: u8| CatalogRow {
        capsule: Blake3::from_bytes([capsule; 32]),
        ..claim(origin, index, 1, 1)
    };
    let private = CatalogRow {
        private: true,
        ..of("a", 2, 3)
    };
    let aborted = CatalogRow {
        replayable: false,
        ..of("a", 3, 4)
    };
    let rows = [
        of("a", 0, 1),
        of("a", 1, 2),
        private,
        aborted,
        of("a", 4, 2),
        of("a", 5, 4),
        of("a", 6, 3),
    ];
    catalog.insert(&rows).expect("inserted");
    catalog
        .insert(&[of("b", 0, 9), of("b", 1, 1)])
        .expect("inserted");
    let seen = |origin: &str, from, to| -> Vec<_> {
        let seen = catalog
            .first_seen_capsules(origin, from, to)
            .expect("capsules");
        seen.iter()
            .map(|(capsule, index)| (capsule.as_bytes()[0], *index))
            .collect()
    };
    assert_eq!(seen("a", 0, 7), [(1, 0), (2, 1), (4, 5), (3, 6)]);
    assert_eq!(seen("a", 1, 6), [(2, 1), (4, 5)]);
    assert_eq!(seen("a", 2, 5), []);
    // That a private or an aborted run showed it before does not count.
    assert_eq!(seen("a", 4, 7), [(4, 5), (3, 6)]);
    assert_eq!(seen("b", 0, 2), [(9, 0), (1, 1)]);
    assert_eq!(seen("c", 0, 2), []);
}

fn a_receipt_has_its_row(catalog: &Catalog) {
    let rows: Vec<_> = (0..)
        .zip(common::receipts())
        .map(|(index, receipt)| {
            let row = CatalogRow::of("log.example/one", index, &receipt);
            assert_eq!(row.receipt, receipt.id());
            assert_eq!(row.status, receipt.claim().status());
            assert_eq!(
                row.replayable,
                row.kind == "wasm" && row.status != "aborted"
            );
            row
        })
        .collect();
    assert!(rows.iter().any(|row| row.private) && rows.iter().any(|row| row.kind != "wasm"));
    catalog.insert(&rows).expect("inserted");
    let all = Filter {
        limit: 1_000,
        ..Filter::default()
    };
    assert_eq!(catalog.select(&all).expect("rows"), rows);
}

fn any_filter_gives_what_a_scan_gives(catalog: &Catalog) {
    let rows: Vec<_> = ["a", "B"]
        .iter()
        .flat_map(|origin| (0..40).map(|index| row(origin, index)))
        .collect();
    catalog.insert(&rows).expect("inserted");
    let mut rows = rows;
    rows.sort_by(|one, other| (&one.origin, one.index).cmp(&(&other.origin, other.index)));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        cases: 200,
        ..ProptestConfig::default()
    });
    runner
        .run(&filters(), |filter| {
            let passes = |row: &&CatalogRow| passes(&filter, row);
            let wanted: Vec<_> = rows
                .iter()
                .filter(passes)
                .take(filter.limit)
                .cloned()
                .collect();
            prop_assert_eq!(catalog.select(&filter).expect("rows"), wanted);
            Ok(())
        })
        .expect("as a scan");
}

fn passes(filter: &Filter, row: &CatalogRow) -> bool {
    filter.origin.as_ref().is_none_or(|it| *it == row.origin)
        && filter.kind.as_ref().is_none_or(|it| *it == row.kind)
        && filter.status.as_ref().is_none_or(|it| *it == row.status)
        && filter.capsule.is_none_or(|it| it == row.capsule)
        && filter.node.is_none_or(|it| it == row.node)
        && filter.since.is_none_or(|it| it <= row.issued_at)
        && filter.until.is_none_or(|it| it > row.issued_at)
        && filter.request.is_none_or(|it| it == row.request)
        && filter.after.as_ref().is_none_or(|(origin, index)| {
            (origin.as_str(), *index) < (row.origin.as_str(), row.index)
        })
}

fn filters() -> impl Strategy<Value = Filter> {
    use proptest::option::weighted;
    let text = |texts: &'static [&'static str]| {
        weighted(0.3, proptest::sample::select(texts).prop_map(str::to_owned))
    };
    let byte = |below: u8| weighted(0.3, 0..below);
    let time = || {
        weighted(
            0.3,
            (990..1_050_u64).prop_map(|at| Timestamp::from_unix_seconds(at).expect("a time")),
        )
    };
    let after = weighted(
        0.3,
        (proptest::sample::select(&["A", "B", "a"][..]), 0..45_u64),
    );
    (
        (
            text(&["a", "B", "c"]),
            text(&["wasm", "refused"]),
            text(&["ok", "aborted", "refused"]),
        ),
        (byte(4), byte(3), byte(6)),
        (time(), time(), after, 0..50_usize),
    )
        .prop_map(
            |((origin, kind, status), (capsule, node, request), (since, until, after, limit))| {
                Filter {
                    origin,
                    kind,
                    status,
                    capsule: capsule.map(|it| Blake3::from_bytes([it; 32])),
                    node: node.map(|it| PublicKey::from_bytes([it; 32])),
                    since,
                    until,
                    request: request.map(|it| RequestId::from_bytes([it; 32])),
                    after: after.map(|(origin, index)| (origin.to_owned(), index)),
                    limit,
                }
            },
        )
}
