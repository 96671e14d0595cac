//! The first program in a sandbox whose inside the host does not see: what it says of where it is.
//!
//! Enters: the line that it writes to the result's descriptor, before any code of the guest's. Leaves: a [`Report`]. Refuses: any
//! other line, and to keep more of one than a report can have.
//!
//! It is `launch.c`: one static executable, so that it runs in any root file system.

use crate::seen::PAGE_BYTES;

/// The launcher's executable; nothing where it could not be built.
pub(crate) const LAUNCHER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/launch"));
/// Where its directory is in a sandbox.
pub(crate) const PLACE: &str = "/.tenzik";
/// Why a backend is not there that needs it, and what helps.
pub(crate) const UNBUILT: &str = "it was built without its launcher";
pub(crate) const UNBUILT_REMEDY: &str =
    "build it where a C compiler and a static C library are: apt-get install gcc libc6-dev";
/// The longest line of a launcher's.
const LINE_BYTES_MAX: usize = 64;

/// What the launcher says of the sandbox that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// The size of what is mounted at `/tmp`.
    pub(crate) tmp_bytes: u64,
    /// Whether the root is read-only.
    pub(crate) root_read_only: bool,
}

impl Report {
    /// Whether what is mounted at `/tmp` has this size, as far as a kernel knows sizes.
    pub(crate) fn bounds_tmp(self, bytes: u64) -> bool {
        let whole = |bytes: u64| bytes.div_ceil(PAGE_BYTES) * PAGE_BYTES;
        whole(self.tmp_bytes) == whole(bytes)
    }
}

/// The line as it comes.
#[derive(Debug, Default)]
pub(crate) struct ReportLine {
    told: Vec<u8>,
    whole: bool,
}

impl ReportLine {
    /// Takes what is the line's, and gives the rest.
    pub(crate) fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.whole {
            return bytes;
        }
        let room = LINE_BYTES_MAX - self.told.len();
        let end = bytes.iter().take(room).position(|byte| *byte == b'\n');
        let (own, rest) = bytes.split_at(end.map_or(bytes.len().min(room), |end| end + 1));
        self.told.extend_from_slice(own);
        self.whole = end.is_some() || self.told.len() == LINE_BYTES_MAX;
        rest
    }

    /// Whether all of it has come, be it nonsense.
    pub(crate) const fn is_whole(&self) -> bool {
        self.whole
    }

    /// What it says; nothing before it is whole, and nothing if it is no report.
    pub(crate) fn report(&self) -> Option<Report> {
        let line = std::str::from_utf8(&self.told).ok()?.strip_suffix('\n')?;
        let (bytes, read_only) = line.split_once(' ')?;
        let root_read_only = match read_only {
            "0" => false,
            "1" => true,
            _ => return None,
        };
        Some(Report {
            tmp_bytes: bytes.parse().ok()?,
            root_read_only,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pieces: &[&str]) -> (ReportLine, String) {
        let (mut line, mut rest) = (ReportLine::default(), String::new());
        for piece in pieces {
            rest += std::str::from_utf8(line.take(piece.as_bytes())).expect("text");
        }
        (line, rest)
    }

    #[test]
    fn a_report_is_two_numbers_however_it_comes() {
        let report = Report {
            tmp_bytes: 4_096,
            root_read_only: true,
        };
        for pieces in [
            &["4096 1\n{\"ok\":1}\n"][..],
            &["4096 1\n", "{\"ok\":1}\n"],
            &["4", "096", " 1", "\n{", "\"ok\":1}\n"],
        ] {
            let (line, rest) = told(pieces);
            assert_eq!(line.report(), Some(report), "{pieces:?}");
            assert_eq!(rest, "{\"ok\":1}\n", "{pieces:?}");
        }
        let (line, rest) = told(&["4096 1"]);
        assert!(line.report().is_none() && !line.is_whole() && rest.is_empty());
    }

    #[test]
    fn what_is_no_report_is_none_and_no_more_of_it_is_kept_than_a_report_can_have() {
        let long = "1".repeat(200);
        for text in [
            "{\"ok\":1}\n",
            &long,
            "-1 1\n",
            "\n",
            "4096 2\n",
            "4096 1 \n",
        ] {
            let (line, rest) = told(&[text]);
            assert_eq!(line.report(), None, "{text:?}");
            assert!(line.is_whole(), "{text:?}");
            assert_eq!(rest.len(), text.len() - line.told.len(), "{text:?}");
            assert!(line.told.len() <= LINE_BYTES_MAX);
        }
    }

    #[test]
    fn a_size_is_one_in_whole_pages() {
        let report = |tmp_bytes| Report {
            tmp_bytes,
            root_read_only: true,
        };
        assert!(report(8_192).bounds_tmp(8_192) && report(8_192).bounds_tmp(5_000));
        assert!(!report(8_192).bounds_tmp(4_096) && !report(0).bounds_tmp(1));
    }
}
