package search

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	bolt "go.etcd.io/bbolt"
)

// WordsReady reports whether words can be searched for, and by today's analysis.
func (x *Index) WordsReady() (ready, current bool) {
	ready = x.words.Load() != nil
	return ready, ready && x.mark(versionMark) == analysisVersion
}

// BuildWords makes an index of words of all that is there, beside the one that is in use, which answers until the new one
// is whole. Changes go on meanwhile.
func (x *Index) BuildWords(ctx context.Context) error {
	start := time.Now()
	x.applying.Lock()
	if x.building != nil {
		x.applying.Unlock()
		return errors.New("an index of words is being built already")
	}
	x.building = roaring.New()
	x.applying.Unlock()
	folder := "words-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	err := x.buildWords(ctx, filepath.Join(x.Dir, folder))
	if err == nil {
		err = x.useWords(folder)
	}
	x.applying.Lock()
	x.building = nil
	x.applying.Unlock()
	if err != nil {
		_ = os.RemoveAll(filepath.Join(x.Dir, folder))
		return fmt.Errorf("index the words of the catalog: %w", err)
	}
	slog.Info("the words of the catalog are indexed", "products", x.Len(), "seconds", time.Since(start).Round(time.Millisecond).Seconds())
	return nil
}

// Tidy makes words as cheap to search for as after BuildWords, if much was put into their index since. It waits until nothing
// was between two calls.
func (x *Index) Tidy(ctx context.Context) error {
	w := x.words.Load()
	if w == nil {
		return nil
	}
	now := w.updates.Load()
	if quiet := x.tidied.Swap(now) == now; !quiet {
		return nil
	}
	if err := w.compact(ctx); err != nil && x.words.Load() == w {
		return fmt.Errorf("tidy the index of words: %w", err)
	}
	return nil
}

func (x *Index) buildWords(ctx context.Context, path string) error {
	return buildWords(path, func(yield func(uint32, texts) error) error {
		const atOnce = 500 // documents of a transaction: one that is open for long keeps the file from using its space again
		for from := rowKey(0); from != nil; {
			var next []byte
			if err := x.db.View(func(tx *bolt.Tx) error {
				cursor := tx.Bucket(documentsBucket).Cursor()
				n := 0
				for key, body := cursor.Seek(from); key != nil; key, body = cursor.Next() {
					if n++; n > atOnce {
						next = bytes.Clone(key)
						return ctx.Err()
					}
					d, err := x.Read(body)
					if err != nil {
						continue // it was left out
					}
					if err := yield(binary.BigEndian.Uint32(key), x.texts(d)); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				return err
			}
			from = next
		}
		return nil
	})
}

// useWords brings a new index of words up to date and puts it in the place of the one in use.
func (x *Index) useWords(folder string) error {
	w, err := openWords(filepath.Join(x.Dir, folder))
	if err != nil {
		return err
	}
	x.applying.Lock()
	defer x.applying.Unlock()
	changed, removed := map[uint32]texts{}, []uint32(nil)
	for _, row := range x.building.ToArray() {
		if d, err := x.read(row); err == nil {
			changed[row] = x.texts(d)
		} else {
			removed = append(removed, row)
		}
	}
	if len(changed)+len(removed) > 0 {
		err = w.update(changed, removed)
	}
	if err == nil {
		err = x.db.Update(func(tx *bolt.Tx) error {
			marks := tx.Bucket(marksBucket)
			return errors.Join(marks.Put([]byte(wordsMark), []byte(folder)), marks.Put([]byte(versionMark), []byte(analysisVersion)))
		})
	}
	if err != nil {
		return errors.Join(err, w.close())
	}
	old := x.words.Swap(w)
	x.mu.Lock()
	x.turn()
	x.mu.Unlock()
	if old != nil {
		err = old.close()
	}
	x.removeFoldersBut(folder)
	return err
}
