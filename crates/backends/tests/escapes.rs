//! Programs that try to get out, against every backend there is, and the table of what became of them.
//!
//! The table stands in docs/threat-model.md. With `TENZIK_WRITE` set it is written anew; without, it must be what this run
//! gave. Whatever the table says, above `dev` nothing may get through, and no limit that is told as enforced may be broken.
#![cfg(target_os = "linux")]

#[path = "escapes/attempts.rs"]
mod attempts;
#[path = "escapes/capsules.rs"]
mod capsules;
#[path = "escapes/columns.rs"]
mod columns;
mod common;
#[path = "escapes/processes.rs"]
mod processes;
#[path = "escapes/tools.rs"]
mod tools;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use attempts::{Attempt, Became};
use columns::{Column, columns};
use tenzik_receipt::Profile;

const BEGIN: &str = "<!-- escapes: begin -->\n";
const END: &str = "<!-- escapes: end -->\n";

#[test]
fn nothing_gets_out_and_the_table_says_what_became_of_it() {
    let columns = columns();
    // Two at a time: what a bomb of one takes of this system, its neighbours lack.
    let results: Vec<Vec<Became>> = columns.chunks(2).flat_map(at_once).collect();
    for (column, became) in columns.iter().zip(&results) {
        for (attempt, became) in Attempt::ALL.iter().zip(became) {
            assert!(
                column.profile == Profile::Dev || *became != Became::Through,
                "{} gets through {}",
                attempt.name(),
                column.name
            );
        }
    }
    held_against_the_document(&table(&columns, &results));
}

fn at_once(columns: &[Column]) -> Vec<Vec<Became>> {
    std::thread::scope(|scope| {
        let running: Vec<_> = columns
            .iter()
            .map(|column| scope.spawn(|| attempts_of(column)))
            .collect();
        running
            .into_iter()
            .map(|column| column.join().expect("no attempt panics"))
            .collect()
    })
}

fn attempts_of(column: &Column) -> Vec<Became> {
    attempts::control(column);
    let became = |attempt: &Attempt| {
        let began = Instant::now();
        let became = attempt.on(column);
        // Shown where the test fails: what was slow before says why.
        eprintln!("{} {}: {:?}", column.name, attempt.name(), began.elapsed());
        became
    };
    Attempt::ALL.iter().map(became).collect()
}

fn table(columns: &[Column], results: &[Vec<Became>]) -> String {
    let mut text = String::from("| what a program tries |");
    for column in columns {
        let _ = write!(text, " {} |", column.name);
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(columns.len()));
    for (row, attempt) in Attempt::ALL.iter().enumerate() {
        let _ = write!(text, "\n| {} |", attempt.name());
        for became in results {
            let _ = write!(text, " {} |", became[row].word());
        }
    }
    text.push('\n');
    text
}

/// On a machine that lacks a backend only the columns that are there are compared.
fn held_against_the_document(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/threat-model.md");
    let text = std::fs::read_to_string(&path).expect("the document");
    let (before, rest) = text.split_once(BEGIN).expect("where the table begins");
    let (stands, behind) = rest.split_once(END).expect("where it ends");
    if std::env::var_os("TENZIK_WRITE").is_some() {
        let new = format!("{before}{BEGIN}{table}{END}{behind}");
        std::fs::write(&path, new).expect("the document");
        return;
    }
    let (found, stands) = (cells(table), cells(stands));
    for (place, cell) in found {
        let told = stands.iter().find(|(other, _)| *other == place);
        assert_eq!(
            told.map(|(_, cell)| cell),
            Some(&cell),
            "{place:?}: the table in docs/threat-model.md is of another run; TENZIK_WRITE=1 writes it anew"
        );
    }
}

/// Each cell by its row and column.
fn cells(table: &str) -> Vec<((String, String), String)> {
    let split = |line: &str| -> Vec<String> {
        let line = line.trim_matches('|');
        line.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = table.lines();
    let heads = split(lines.next().unwrap_or_default());
    lines
        .skip(1)
        .map(split)
        .flat_map(|row| {
            let name = row[0].clone();
            let cells = heads.iter().zip(row).skip(1);
            let cells: Vec<_> = cells
                .map(|(head, cell)| ((name.clone(), head.clone()), cell))
                .collect();
            cells
        })
        .collect()
}
