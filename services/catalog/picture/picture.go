// Package picture makes pictures for the shop out of files that somebody has sent: it looks at what a file is and not at
// what it says it is, refuses what would need too much memory, and writes the picture anew, upright and in several sizes,
// so that nothing of the file but the picture is left. It knows nothing of where pictures are kept.
package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"github.com/bep/imagemeta"
	"github.com/gen2brain/webp"
	"golang.org/x/image/draw"
	xwebp "golang.org/x/image/webp"
)

const (
	maxPixels = 40_000_000 // 160 MB, once
	maxSide   = 20_000
	minSide   = 16

	quality = 80
	effort  = 2 // of 6; more makes files a few per cent smaller and takes several times as long
)

// widths are the sizes that a picture is kept in: for lists, pages, and pages on fine screens. None is wider than the
// picture.
var widths = []int{320, 640, 1280}

// Why a file is no picture for us.
var (
	ErrUnknown = errors.New("not a JPEG, PNG, WebP or GIF")
	ErrBroken  = errors.New("the picture is damaged")
	ErrSize    = fmt.Errorf("the picture must be from %d to %d pixels on each side, and %d in all", minSide, maxSide, maxPixels)
)

// Size is a picture in one size, as WebP.
type Size struct {
	Width  int    `bson:"width"`
	Height int    `bson:"height"`
	Bytes  []byte `bson:"bytes"`
}

// format is a kind of file that we read. The standard library would choose by registration, and take whatever any package
// of the program has registered.
type format struct {
	magic  string
	at     int
	config func([]byte) (image.Config, error)
	decode func([]byte) (image.Image, error)
	meta   imagemeta.ImageFormat
}

var formats = []format{
	{"\xff\xd8\xff", 0, reading(jpeg.DecodeConfig), reading(jpeg.Decode), imagemeta.JPEG},
	{"\x89PNG\r\n\x1a\n", 0, reading(png.DecodeConfig), reading(png.Decode), imagemeta.PNG},
	{"WEBP", 8, reading(xwebp.DecodeConfig), reading(xwebp.Decode), imagemeta.WebP},
	{"GIF8", 0, reading(gif.DecodeConfig), reading(gif.Decode), 0}, // Decode reads the first frame and no more
}

func reading[T any](read func(io.Reader) (T, error)) func([]byte) (T, error) {
	return func(file []byte) (T, error) { return read(bytes.NewReader(file)) }
}

func formatOf(file []byte) (format, error) {
	for _, f := range formats {
		if len(file) >= f.at+len(f.magic) && string(file[f.at:f.at+len(f.magic)]) == f.magic {
			return f, nil
		}
	}
	return format{}, ErrUnknown
}

// Make reads a file and writes its picture in every size, the smallest first. The size is looked at before any pixel is.
func Make(file []byte) ([]Size, error) {
	f, err := formatOf(file)
	if err != nil {
		return nil, err
	}
	config, err := f.config(file)
	if err != nil {
		return nil, ErrBroken
	}
	if w, h := config.Width, config.Height; min(w, h) < minSide || max(w, h) > maxSide || w*h > maxPixels {
		return nil, ErrSize
	}
	img, err := f.decode(file)
	if err != nil || img.Bounds().Dx() != config.Width || img.Bounds().Dy() != config.Height {
		return nil, ErrBroken
	}
	return encode(img, f.orientation(file))
}

func encode(img image.Image, turn orientation) ([]Size, error) {
	width, height := img.Bounds().Dx(), img.Bounds().Dy()
	if turn.lying() {
		width, height = height, width
	}
	var sizes []Size
	for _, w := range widths {
		last := w >= width
		w = min(w, width)
		h := max(1, (height*w+width/2)/width)
		small := image.Rect(0, 0, w, h)
		if turn.lying() {
			small = image.Rect(0, 0, h, w)
		}
		scaled := image.NewNRGBA(small)
		draw.CatmullRom.Scale(scaled, small, img, img.Bounds(), draw.Src, nil)
		var out bytes.Buffer
		if err := webp.Encode(&out, turn.upright(scaled), webp.Options{Quality: quality, Method: effort}); err != nil {
			return nil, fmt.Errorf("encode a picture: %w", err)
		}
		sizes = append(sizes, Size{w, h, out.Bytes()})
		if last {
			break
		}
	}
	return sizes, nil
}

// orientation is how a camera was held, EXIF tag 274: 1 is upright, 2 to 8 are mirrored or turned.
type orientation int

// orientation is that of a file; one that does not say, or not in a way that can be read, is upright.
func (f format) orientation(file []byte) orientation {
	found := orientation(1)
	if f.meta == 0 {
		return found
	}
	// What is wrong with the metadata is no reason to refuse the picture.
	_, _ = imagemeta.Decode(imagemeta.Options{
		R: bytes.NewReader(file), ImageFormat: f.meta, Sources: imagemeta.EXIF,
		ShouldHandleTag: func(tag imagemeta.TagInfo) bool { return tag.Tag == "Orientation" && tag.Namespace == "IFD0" },
		HandleTag: func(tag imagemeta.TagInfo) error {
			if n, ok := tag.Value.(uint16); ok && 1 <= n && n <= 8 {
				found = orientation(n)
			}
			return imagemeta.ErrStopWalking
		},
	})
	return found
}

// lying reports whether width and height change places when the picture is turned upright.
func (o orientation) lying() bool { return o >= 5 }

// upright is img as it was seen through the camera.
func (o orientation) upright(img *image.NRGBA) *image.NRGBA {
	if o <= 1 {
		return img
	}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	if o.lying() {
		out = image.NewNRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			at := o.place(x, y, w, h)
			out.SetNRGBA(at.X, at.Y, img.NRGBAAt(x, y))
		}
	}
	return out
}

// place is where the pixel at x, y of a picture of w × h belongs.
func (o orientation) place(x, y, w, h int) image.Point {
	switch o {
	case 2:
		return image.Pt(w-1-x, y)
	case 3:
		return image.Pt(w-1-x, h-1-y)
	case 4:
		return image.Pt(x, h-1-y)
	case 5:
		return image.Pt(y, x)
	case 6:
		return image.Pt(h-1-y, x)
	case 7:
		return image.Pt(h-1-y, w-1-x)
	case 8:
		return image.Pt(y, w-1-x)
	}
	return image.Pt(x, y)
}
