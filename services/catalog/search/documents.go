package search

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// layout is the form of the file; one of another form is begun anew.
const layout = "1"

var (
	documentsBucket = []byte("documents") // by row
	stockBucket     = []byte("stock")     // by SKU
	marksBucket     = []byte("marks")
)

// Marks of the file.
const (
	layoutMark  = "layout"
	cursorMark  = "cursor"  // see Index.Cursor
	wordsMark   = "words"   // the folder of the index of words
	versionMark = "version" // of its analysis
)

// openDocuments opens the file of documents in dir. One that cannot be read, or is of another form, is removed: everything
// in it can be had again.
func openDocuments(dir string) (*bolt.DB, error) {
	path := filepath.Join(dir, "documents.db")
	for range 2 {
		db, err := openFile(path)
		if errors.Is(err, bolterrors.ErrTimeout) {
			return nil, fmt.Errorf("%s is in use by another process: every replica needs a directory of its own", dir)
		}
		if err == nil {
			return db, nil
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s cannot be made", path)
}

func openFile(path string) (db *bolt.DB, err error) {
	defer func() {
		if p := recover(); p != nil { // bbolt's answer to some damage
			db, err = nil, fmt.Errorf("open %s: %v", path, p)
		}
	}()
	db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType, NoFreelistSync: true})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{documentsBucket, stockBucket, marksBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		marks := tx.Bucket(marksBucket)
		switch found := string(marks.Get([]byte(layoutMark))); found {
		case layout:
			return nil
		case "":
			return marks.Put([]byte(layoutMark), []byte(layout))
		default:
			return fmt.Errorf("its layout is %q", found)
		}
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func rowKey(row uint32) []byte { return binary.BigEndian.AppendUint32(nil, row) }
