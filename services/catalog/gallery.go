package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	lru "github.com/hashicorp/golang-lru/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
	"github.com/sidecart/sidecart/services/catalog/picture"
)

const (
	maxImage    = 10 << 20
	knownImages = 10_000
	knownFiles  = 256 // of some 50 KB
)

// madeShape are the names of pictures that staff have added: half of their file's SHA-256.
var madeShape = regexp.MustCompile(`^[0-9a-f]{32}\.webp$`)

// gallery is the pictures of the shop: those that came with the demo, in one size, and those that staff have added. A
// name stands for the same picture for ever, so what was read once can be kept in memory.
type gallery struct {
	demo   map[string][]byte
	store  *store
	known  *lru.Cache[string, Image]
	files  *lru.Cache[string, []byte]
	making chan struct{} // one at a time: a picture being made may take 200 MB
}

func newGallery(demo map[string][]byte, store *store) *gallery {
	return &gallery{demo, store, remember[Image](knownImages), remember[[]byte](knownFiles), make(chan struct{}, 1)}
}

func remember[T any](most int) *lru.Cache[string, T] {
	c, err := lru.New[string, T](most)
	if err != nil {
		panic(err) // of a size that is not positive
	}
	return c
}

// Image is what is kept of a picture beside its files.
type Image struct {
	Name   string `bson:"_id"`
	Width  int    `bson:"width"`
	Height int    `bson:"height"`
	Widths []int  `bson:"widths"` // of its files, the smallest first
}

// imageFile is a picture in one size.
type imageFile struct {
	ID    string `bson:"_id"`
	Bytes []byte `bson:"bytes"`
}

func fileID(name string, width int) string { return name + "@" + strconv.Itoa(width) }

// missing are those of the names that no picture has.
func (g *gallery) missing(ctx context.Context, names []string) (none []string, err error) {
	for _, name := range names {
		if _, there := g.demo[name]; there {
			continue
		}
		if !madeShape.MatchString(name) {
			none = append(none, name)
			continue
		}
		_, err := g.store.Image(ctx, name)
		if problem.Is(err, "no-such-image") {
			none = append(none, name)
		} else if err != nil {
			return nil, err
		}
	}
	return none, nil
}

// picture is the file of a name that is at least so many pixels wide, or the widest; 0 asks for that.
func (g *gallery) picture(ctx context.Context, name string, width int) ([]byte, error) {
	if demo, there := g.demo[name]; there {
		return demo, nil
	}
	if !madeShape.MatchString(name) {
		return nil, noSuchImage()
	}
	image, there := g.known.Get(name)
	if !there {
		var err error
		if image, err = g.store.Image(ctx, name); err != nil {
			return nil, err
		}
		g.known.Add(name, image)
	}
	at := slices.IndexFunc(image.Widths, func(w int) bool { return width > 0 && w >= width })
	if at < 0 {
		at = len(image.Widths) - 1
	}
	id := fileID(name, image.Widths[at])
	if file, there := g.files.Get(id); there {
		return file, nil
	}
	file, err := g.store.ImageFile(ctx, id)
	if err != nil {
		return nil, err
	}
	g.files.Add(id, file)
	return file, nil
}

func noSuchImage() error {
	return problem.New(problem.NotFound, "no-such-image", "There is no such picture.")
}

// add makes a picture of a file and keeps it. The same file is the same picture.
func (g *gallery) add(ctx context.Context, file []byte) (Image, error) {
	sum := sha256.Sum256(file)
	name := hex.EncodeToString(sum[:16]) + ".webp"
	if image, err := g.store.Image(ctx, name); !problem.Is(err, "no-such-image") {
		return image, err
	}
	select {
	case g.making <- struct{}{}:
		defer func() { <-g.making }()
	case <-ctx.Done():
		return Image{}, ctx.Err()
	}
	sizes, err := picture.Make(file)
	if errors.Is(err, picture.ErrUnknown) || errors.Is(err, picture.ErrBroken) || errors.Is(err, picture.ErrSize) {
		return Image{}, problem.New(problem.Unprocessable, "invalid-image", "This cannot be taken: %s.", err)
	}
	if err != nil {
		return Image{}, err
	}
	largest := sizes[len(sizes)-1]
	image := Image{Name: name, Width: largest.Width, Height: largest.Height}
	var files []imageFile
	for _, size := range sizes {
		image.Widths = append(image.Widths, size.Width)
		files = append(files, imageFile{fileID(name, size.Width), size.Bytes})
	}
	return image, g.store.AddImage(ctx, image, files)
}

// Image is what is kept of a picture.
func (s *store) Image(ctx context.Context, name string) (Image, error) {
	var image Image
	err := s.images.FindOne(ctx, bson.D{{Key: "_id", Value: name}}).Decode(&image)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return image, noSuchImage()
	}
	if err != nil {
		return image, fmt.Errorf("look for picture %s: %w", name, err)
	}
	return image, nil
}

// ImageFile is a picture in one size.
func (s *store) ImageFile(ctx context.Context, id string) ([]byte, error) {
	var file imageFile
	if err := s.images.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&file); err != nil {
		return nil, fmt.Errorf("read picture %s: %w", id, err)
	}
	return file.Bytes, nil
}

// AddImage keeps a picture: its files first, so that one that is there is there in every size. A repeat changes nothing.
func (s *store) AddImage(ctx context.Context, image Image, files []imageFile) error {
	if err := insertMissing(ctx, s.images, files); err != nil {
		return fmt.Errorf("keep picture %s: %w", image.Name, err)
	}
	if err := insertMissing(ctx, s.images, []Image{image}); err != nil {
		return fmt.Errorf("keep picture %s: %w", image.Name, err)
	}
	return nil
}

// openImage begins to take a picture.
func (o *office) openImage(w http.ResponseWriter, _ *http.Request) error {
	return web.Encode(w, http.StatusCreated, opened{ID: uuid.Must(uuid.NewV7()).String(), PartSize: partSize, Most: maxImage})
}

// addImage makes a picture of a file that has arrived.
func (o *office) addImage(w http.ResponseWriter, r *http.Request) error {
	id, sent, err := readCompletion(w, r, maxImage)
	if err != nil {
		return err
	}
	defer func() {
		if err := o.store.DropParts(context.WithoutCancel(r.Context()), id, sent.Parts); err != nil {
			slog.WarnContext(r.Context(), "parts of a picture are dropped later", "error", err.Error())
		}
	}()
	var file bytes.Buffer
	for n := range sent.Parts {
		p, err := o.store.Part(r.Context(), id, n)
		if err != nil {
			return err
		}
		file.Write(p.Bytes)
	}
	if int64(file.Len()) != sent.Bytes {
		return problem.New(problem.Unprocessable, "incomplete-body", "A part of the file is missing.")
	}
	image, err := o.gallery.add(r.Context(), file.Bytes())
	if err != nil {
		return err
	}
	urls := map[string]string{}
	for _, width := range image.Widths {
		urls[strconv.Itoa(width)] = imagePath + image.Name + "?width=" + strconv.Itoa(width)
	}
	return web.Encode(w, http.StatusCreated, struct {
		Name   string            `json:"name"`
		Width  int               `json:"width"`
		Height int               `json:"height"`
		URLs   map[string]string `json:"urls"`
	}{image.Name, image.Width, image.Height, urls})
}

// image answers with a picture. A name stands for the same picture for ever, so caches never ask again.
func (g *gallery) image(w http.ResponseWriter, r *http.Request) error {
	width := 0
	if asked := r.URL.Query().Get("width"); asked != "" {
		var err error
		if width, err = strconv.Atoi(asked); err != nil || width < 1 || width > 10_000 {
			return invalid("width", "must be a whole number from 1 to 10000")
		}
	}
	file, err := g.picture(r.Context(), mux.Vars(r)["name"], width)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "image/webp")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(file)
	return nil
}
