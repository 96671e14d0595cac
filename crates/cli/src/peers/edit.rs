//! A peers file with a peer more or less.
//!
//! Enters: the file's text, which was read as a peers file. Leaves: the text, with every comment that does not belong to
//! what was taken out. Refuses: a list of peers that is not written as tables.

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use super::Added;

/// The member with the peers.
const PEER: &str = "peer";
const NOT_TABLES: &str = "its peers are not written as [[peer]] tables; edit it by hand";

/// Adds a peer at the end.
pub(super) fn add(
    text: &str,
    added: &Added,
    policy: Option<String>,
) -> Result<String, &'static str> {
    let mut document = parse(text)?;
    let peers = document
        .entry(PEER)
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let peers = peers.as_array_of_tables_mut().ok_or(NOT_TABLES)?;
    let mut peer = Table::new();
    peer["name"] = value(added.name.as_str());
    peer["log"] = value(added.log.to_string());
    peer["url"] = value(&added.url);
    if let Some(api) = &added.api {
        peer["api"] = value(api);
    }
    if let Some(path) = &added.token_file {
        peer["token_file"] = value(path.to_str().ok_or("the token file's path is not UTF-8")?);
    }
    if added.plain_http {
        peer["plain_http"] = value(true);
    }
    let nodes: Array = added.nodes.iter().map(|node| node.to_string()).collect();
    peer["nodes"] = value(nodes);
    if let Some(policy) = policy {
        peer["policy"] = value(policy);
    }
    if added.no_witness {
        peer["witness"] = value(false);
    }
    if let Some(sample_ppm) = added.sample_ppm {
        let mut audit = Table::new();
        audit["sample_ppm"] = value(i64::from(sample_ppm));
        peer["audit"] = Item::Table(audit);
    }
    peers.push(peer);
    Ok(document.to_string())
}

/// Takes the peer of this name out, with the comments above it.
pub(super) fn remove(text: &str, name: &str) -> Result<String, &'static str> {
    let mut document = parse(text)?;
    let peers = document.get_mut(PEER).ok_or(NOT_TABLES)?;
    let peers = peers.as_array_of_tables_mut().ok_or(NOT_TABLES)?;
    peers.retain(|peer| peer.get("name").and_then(Item::as_str) != Some(name));
    Ok(document.to_string())
}

fn parse(text: &str) -> Result<DocumentMut, &'static str> {
    // It was read as a peers file before, so it is TOML.
    text.parse().map_err(|_| "it is not TOML")
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tenzik_node::federation::Peers;

    use super::*;

    const LOG: &str = "a.example/log+99092c5d+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
    const NODE: &str = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    /// A file as people write it.
    const FILE: &str = "\
# Ours.
version = 1   # of the form

# The one that we trust least.
[[peer]]
name = \"old\"
log = \"b.example/log+24c8f3ae+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c\" # told by phone
url = 'https://b.example/log'
nodes = []
";

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        added: Added,
    }

    fn added(more: &[&str]) -> Added {
        let line = [
            "add",
            "new",
            "--log",
            LOG,
            "--at",
            "https://a.example/log",
            "--node",
            NODE,
        ];
        Line::try_parse_from(line.iter().chain(more))
            .expect("a command line")
            .added
    }

    fn file() -> String {
        let key = LOG.rsplit('+').next().expect("a key");
        let bytes = [b"b.example/log\n".as_slice(), &base64_of(key)].concat();
        let id = &tenzik_receipt::to_hex(tenzik_receipt::Sha256::of(&bytes).as_bytes())[..8];
        FILE.replace("24c8f3ae", id)
    }

    fn base64_of(text: &str) -> Vec<u8> {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD
            .decode(text)
            .expect("base64")
    }

    #[test]
    fn what_people_wrote_stays_when_a_peer_comes_and_goes() {
        let before = file();
        Peers::from_toml(&before).expect("a peers file");
        let policy = Some("# \"\"\" and \\ \nquorum none\n".to_owned());
        let more = [
            "--no-witness",
            "--sample-ppm",
            "7",
            "--api",
            "https://a.example",
            "--token-file",
            "a b",
        ];
        let with = add(&before, &added(&more), policy).expect("it is added");
        assert!(with.starts_with(&before), "{with}");
        let peers = Peers::from_toml(&with).expect("a peers file");
        let peer = peers.named("new").expect("the peer");
        assert_eq!((peer.log.to_string().as_str(), peer.witness), (LOG, false));
        assert_eq!(peer.audit.sample_ppm.parts(), 7);
        assert_eq!(
            peer.token_file.as_deref(),
            Some(std::path::Path::new("a b"))
        );
        assert_eq!(remove(&with, "new").expect("it is removed"), before);
        let without = remove(&before, "old").expect("it is removed");
        assert!(
            without.starts_with("# Ours.\nversion = 1   # of the form\n"),
            "{without}"
        );
        assert_eq!(
            Peers::from_toml(&without)
                .expect("a peers file")
                .iter()
                .count(),
            0
        );
    }

    #[test]
    fn a_list_in_another_form_is_left_alone() {
        for other in [
            "version = 1\npeer = []\n",
            "peer = [{name = \"old\"}]\n",
            "peer = 1\n",
        ] {
            assert_eq!(add(other, &added(&[]), None), Err(NOT_TABLES));
            assert_eq!(remove(other, "old"), Err(NOT_TABLES));
        }
        assert_eq!(remove("version = 1\n", "old"), Err(NOT_TABLES));
    }
}
