// Checks a log that `write_log` wrote, with the packages of the Go checksum database: note and tlog.
//
//	check DIRECTORY
//
// Enters: the directory. Leaves: a line for each thing that was accepted. Refuses, with status 1, the first that is not:
// a checkpoint that a key did not sign, a tile that does not belong to the root, an entry that is not the leaf of its
// tile, a proof that does not hold.
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	origin     = "node.example/log"
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: check DIRECTORY")
		os.Exit(2)
	}
	if err := check(directory(os.Args[1])); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

func check(dir directory) error {
	log, err := dir.logVerifier()
	if err != nil {
		return err
	}
	witness, err := dir.witnessVerifier()
	if err != nil {
		return err
	}
	newest, err := checkNewest(dir, log, witness)
	if err != nil {
		return err
	}
	trees, err := dir.trees(log)
	if err != nil {
		return err
	}
	if last := trees[len(trees)-1]; last != newest {
		return fmt.Errorf("the newest checkpoint is of %d, the largest of %d", newest.N, last.N)
	}
	for i, tree := range trees {
		if err := checkTree(dir, tree, trees[:i]); err != nil {
			return fmt.Errorf("size %d: %v", tree.N, err)
		}
	}
	if err := checkEntries(dir, trees); err != nil {
		return err
	}
	return checkProofFile(dir, newest, log, witness)
}

// checkNewest opens the newest checkpoint, which must have both signatures.
func checkNewest(dir directory, log, witness note.Verifier) (tlog.Tree, error) {
	text, err := dir.read("checkpoint")
	if err != nil {
		return tlog.Tree{}, err
	}
	tree, err := openCheckpoint(text, log, witness)
	if err == nil {
		fmt.Printf("go note: checkpoint of %d with the signatures of log and witness\n", tree.N)
	}
	return tree, err
}

// openCheckpoint opens a note that all of these verifiers must have signed.
func openCheckpoint(text []byte, verifiers ...note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(text, note.VerifierList(verifiers...))
	if err != nil {
		return tlog.Tree{}, err
	}
	if len(opened.Sigs) != len(verifiers) {
		return tlog.Tree{}, fmt.Errorf("%d signatures verify, not %d", len(opened.Sigs), len(verifiers))
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != origin || lines[3] != "" {
		return tlog.Tree{}, fmt.Errorf("not a checkpoint of %s", origin)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// checkTree recomputes a root from tiles, and checks the proofs from each smaller tree: Go's own from the tiles, and the
// one that the log made for a witness.
func checkTree(dir directory, tree tlog.Tree, smaller []tlog.Tree) error {
	reader := tlog.TileHashReader(tree, dir)
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return fmt.Errorf("the tiles give another root")
	}
	for _, old := range smaller {
		proof, err := tlog.ProveTree(tree.N, old.N, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
			return err
		}
	}
	if err := checkRequest(dir, tree, smaller); err != nil {
		return err
	}
	fmt.Printf("go tlog: root of %d from tiles, consistent with %d smaller trees\n", tree.N, len(smaller))
	return nil
}

// checkRequest checks the proof in the add-checkpoint request that leads to a tree from the one before it.
func checkRequest(dir directory, tree tlog.Tree, smaller []tlog.Tree) error {
	body, err := dir.read(fmt.Sprintf("add-checkpoint.%d", tree.N))
	if err != nil {
		return err
	}
	head, checkpoint, found := strings.Cut(string(body), "\n\n")
	signed, err := dir.read(fmt.Sprintf("checkpoint.%d", tree.N))
	if err != nil || !found || checkpoint != string(signed) {
		return fmt.Errorf("the request has not the checkpoint: %v", err)
	}
	lines := strings.Split(head, "\n")
	old := tlog.Tree{}
	if len(smaller) > 0 {
		old = smaller[len(smaller)-1]
	}
	if lines[0] != fmt.Sprintf("old %d", old.N) {
		return fmt.Errorf("the request begins with %q", lines[0])
	}
	proof, err := parseHashes(lines[1:])
	if err != nil {
		return err
	}
	if old.N == 0 {
		if len(proof) > 0 {
			return fmt.Errorf("a proof from the empty tree has hashes")
		}
		return nil
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash)
}

// checkEntries builds the largest tree from its entries alone, and compares it with every root and every tile. A reader
// of tiles is not enough for that: the one of this version takes some tiles without comparing them with those above.
func checkEntries(dir directory, trees []tlog.Tree) error {
	newest := trees[len(trees)-1]
	reader := tlog.TileHashReader(newest, dir)
	var built storedHashes
	proved := 0
	for first := int64(0); first < newest.N; first += tileWidth {
		entries, err := dir.entries(first, newest.N)
		if err != nil {
			return err
		}
		for i, entry := range entries {
			hashes, err := tlog.StoredHashes(first+int64(i), entry, built)
			if err != nil {
				return err
			}
			built = append(built, hashes...)
		}
		// One of each bundle, each time at another place.
		at := first / tileWidth * 37 % int64(len(entries))
		if err := proveEntry(newest, first+at, entries[at], reader); err != nil {
			return fmt.Errorf("entry %d: %v", first+at, err)
		}
		proved++
	}
	for _, tree := range trees {
		if err := compareTiles(dir, tree, built); err != nil {
			return err
		}
	}
	fmt.Printf("go tlog: %d entries give every root and tile, %d proved one by one\n", newest.N, proved)
	return nil
}

func compareTiles(dir directory, tree tlog.Tree, built storedHashes) error {
	root, err := tlog.TreeHash(tree.N, built)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return fmt.Errorf("size %d: the entries give another root", tree.N)
	}
	for _, tile := range tilesOf(tree.N) {
		want, err := tlog.ReadTileData(tile, built)
		if err != nil {
			return err
		}
		got, err := dir.ReadTiles([]tlog.Tile{tile})
		if err != nil {
			return err
		}
		if !bytes.Equal(got[0], want) {
			return fmt.Errorf("size %d: %s is another", tree.N, tile.Path())
		}
	}
	return nil
}

// tilesOf lists the tiles of a tree. tlog.NewTiles of this version lists each narrower one too.
func tilesOf(size int64) []tlog.Tile {
	var tiles []tlog.Tile
	for level, rest := 0, size; rest > 0; level, rest = level+1, rest>>tileHeight {
		for first := int64(0); first < rest; first += tileWidth {
			width := rest - first
			if width > tileWidth {
				width = tileWidth
			}
			tiles = append(tiles, tlog.Tile{H: tileHeight, L: level, N: first / tileWidth, W: int(width)})
		}
	}
	return tiles
}

// storedHashes are all hashes of a tree, in the order of the tlog package.
type storedHashes []tlog.Hash

func (stored storedHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(stored)) {
			return nil, fmt.Errorf("no hash %d", index)
		}
		hashes[i] = stored[index]
	}
	return hashes, nil
}

func proveEntry(tree tlog.Tree, index int64, entry []byte, reader tlog.HashReader) error {
	proof, err := tlog.ProveRecord(tree.N, index, reader)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

// checkProofFile checks a c2sp.org/tlog-proof file against the leaf beside it.
func checkProofFile(dir directory, newest tlog.Tree, verifiers ...note.Verifier) error {
	text, err := dir.read("leaf.tlog-proof")
	if err != nil {
		return err
	}
	leaf, err := dir.read("leaf")
	if err != nil {
		return err
	}
	head, checkpoint, _ := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "extra ") {
		return fmt.Errorf("not a proof file with an extra line")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	path, err := parseHashes(lines[3:])
	if err != nil {
		return err
	}
	tree, err := openCheckpoint([]byte(checkpoint), verifiers...)
	if err != nil {
		return err
	}
	if tree != newest {
		return fmt.Errorf("the proof file's checkpoint is not the newest")
	}
	if err := tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(leaf)); err != nil {
		return err
	}
	fmt.Printf("go tlog: proof file of leaf %d in %d\n", index, tree.N)
	return nil
}

func parseHashes(lines []string) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, 0, len(lines))
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

// A directory holds what write_log wrote. It reads tiles for tlog.TileHashReader.
type directory string

func (dir directory) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(dir), name))
}

func (dir directory) logVerifier() (note.Verifier, error) {
	text, err := dir.read("log.vkey")
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(strings.TrimSpace(string(text)))
}

// trees opens the checkpoint of each size, smallest first.
func (dir directory) trees(log note.Verifier) ([]tlog.Tree, error) {
	names, err := filepath.Glob(filepath.Join(string(dir), "checkpoint.*"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("no checkpoints: %v", err)
	}
	var trees []tlog.Tree
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		tree, err := openCheckpoint(text, log)
		if err != nil {
			return nil, fmt.Errorf("%s: %v", filepath.Base(name), err)
		}
		trees = append(trees, tree)
	}
	sort.Slice(trees, func(i, j int) bool { return trees[i].N < trees[j].N })
	return trees, nil
}

// entries reads the bundle that begins with an entry, in a tree of a size.
func (dir directory) entries(first, size int64) ([][]byte, error) {
	width := size - first
	if width > tileWidth {
		width = tileWidth
	}
	path := tlog.Tile{H: tileHeight, L: -1, N: first / tileWidth, W: int(width)}.Path()
	rest, err := dir.read(strings.Replace(path, "tile/8/data/", "tile/entries/", 1))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(rest) >= 2 {
		length := int(binary.BigEndian.Uint16(rest))
		if rest = rest[2:]; length > len(rest) {
			break
		}
		entries = append(entries, rest[:length])
		rest = rest[length:]
	}
	if len(rest) > 0 || int64(len(entries)) != width {
		return nil, fmt.Errorf("the bundle from entry %d on has not %d entries", first, width)
	}
	return entries, nil
}

// Height is that of tlog-tiles, which has no place for it in its paths.
func (dir directory) Height() int { return tileHeight }

func (dir directory) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		read, err := dir.read(strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
		if err != nil {
			return nil, err
		}
		if len(read) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes", tile.Path(), len(read))
		}
		data[i] = read
	}
	return data, nil
}

func (dir directory) SaveTiles([]tlog.Tile, [][]byte) {}

// A cosigner verifies c2sp.org/tlog-cosignature lines, which the note package does not know: it has Ed25519 over the
// text only.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (dir directory) witnessVerifier() (note.Verifier, error) {
	text, err := dir.read("witness.vkey")
	if err != nil {
		return nil, err
	}
	pieces := strings.SplitN(strings.TrimSpace(string(text)), "+", 3)
	if len(pieces) != 3 {
		return nil, fmt.Errorf("the witness's key is not of the form")
	}
	hash, err := strconv.ParseUint(pieces[1], 16, 32)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(pieces[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 0x04 {
		return nil, fmt.Errorf("the witness's key is of another type: %v", err)
	}
	return cosigner{pieces[0], uint32(hash), key[1:]}, nil
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }

func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	var message bytes.Buffer
	fmt.Fprintf(&message, "cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(c.key, message.Bytes(), signature[8:])
}
