package picture

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/gen2brain/webp"
	"github.com/stretchr/testify/require"
	xwebp "golang.org/x/image/webp"
)

// corners is a picture whose upper left quarter is red, and whose upper right one is green.
func corners(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{0, 0, 255, 255}
			if y < h/2 && x < w/2 {
				c = color.NRGBA{255, 0, 0, 255}
			} else if y < h/2 {
				c = color.NRGBA{0, 255, 0, 255}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	return img
}

func files(t testing.TB, img image.Image) map[string][]byte {
	var j, p, g, w bytes.Buffer
	require.NoError(t, jpeg.Encode(&j, img, &jpeg.Options{Quality: 95}))
	require.NoError(t, png.Encode(&p, img))
	require.NoError(t, gif.Encode(&g, img, nil))
	require.NoError(t, webp.Encode(&w, img, webp.Options{Quality: 90}))
	return map[string][]byte{"jpeg": j.Bytes(), "png": p.Bytes(), "gif": g.Bytes(), "webp": w.Bytes()}
}

func pixel(t testing.TB, s Size, x, y float64) string {
	img, err := xwebp.Decode(bytes.NewReader(s.Bytes))
	require.NoError(t, err)
	require.Equal(t, [2]int{s.Width, s.Height}, [2]int{img.Bounds().Dx(), img.Bounds().Dy()})
	r, g, b, _ := img.At(int(x*float64(s.Width)), int(y*float64(s.Height))).RGBA()
	switch {
	case r > g && r > b:
		return "red"
	case g > r && g > b:
		return "green"
	default:
		return "blue"
	}
}

func TestEveryFormatBecomesWebPInSizes(t *testing.T) {
	for name, file := range files(t, corners(1000, 500)) {
		sizes, err := Make(file)
		require.NoError(t, err, name)
		require.Len(t, sizes, 3, name)
		for i, want := range [][2]int{{320, 160}, {640, 320}, {1000, 500}} {
			require.Equal(t, want, [2]int{sizes[i].Width, sizes[i].Height}, name)
			require.Equal(t, "red", pixel(t, sizes[i], 0.2, 0.2), name)
			require.Equal(t, "green", pixel(t, sizes[i], 0.8, 0.2), name)
			require.Equal(t, "blue", pixel(t, sizes[i], 0.5, 0.8), name)
		}
	}
	small, err := Make(files(t, corners(100, 40))["png"])
	require.NoError(t, err)
	require.Len(t, small, 1, "nothing is made larger than it was")
	require.Equal(t, 100, small[0].Width)
}

// exif puts a segment with an orientation and a secret into a JPEG.
func exif(file []byte, orientation uint16) []byte {
	var tiff bytes.Buffer
	tiff.WriteString("Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08")
	_ = binary.Write(&tiff, binary.BigEndian, []uint16{2, 0x0112, 3, 0, 1, orientation, 0, 0x013b, 2, 0, 8, 0, 38})
	tiff.Write([]byte{0, 0, 0, 0})
	tiff.WriteString("MARKER!\x00")
	out := append([]byte{0xff, 0xd8, 0xff, 0xe1}, byte((tiff.Len()+2)>>8), byte(tiff.Len()+2))
	return append(append(out, tiff.Bytes()...), file[2:]...)
}

func TestPicturesAreTurnedUprightAndLoseTheirMetadata(t *testing.T) {
	plain := files(t, corners(400, 200))["jpeg"]
	// Where the red quarter of the file is seen, as EXIF defines it (CIPA DC-008 section 4.6.5.1).
	for o, red := range map[uint16][2]float64{1: {0.2, 0.2}, 2: {0.8, 0.2}, 3: {0.8, 0.8}, 4: {0.2, 0.8}, 5: {0.2, 0.2}, 6: {0.8, 0.2}, 7: {0.8, 0.8}, 8: {0.2, 0.8}} {
		file := exif(plain, o)
		require.Contains(t, string(file), "MARKER")
		sizes, err := Make(file)
		require.NoError(t, err)
		last := sizes[len(sizes)-1]
		require.Equal(t, o >= 5, last.Height > last.Width, "orientation %d", o)
		require.Equal(t, "red", pixel(t, last, red[0], red[1]), "orientation %d", o)
		for _, s := range sizes {
			require.NotContains(t, string(s.Bytes), "MARKER")
			require.NotContains(t, string(s.Bytes), "EXIF")
		}
	}
}

// bomb is a PNG of a few bytes that says it has w × h pixels.
func bomb(w, h uint32) []byte {
	var out bytes.Buffer
	out.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		_ = binary.Write(&out, binary.BigEndian, uint32(len(data)))
		body := append([]byte(kind), data...)
		out.Write(body)
		_ = binary.Write(&out, binary.BigEndian, crc32.ChecksumIEEE(body))
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	chunk("IHDR", append(head, 8, 6, 0, 0, 0))
	chunk("IDAT", []byte{0x78, 0x9c, 0x63, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01})
	chunk("IEND", nil)
	return out.Bytes()
}

func TestWhatIsNoPictureIsRefused(t *testing.T) {
	good := files(t, corners(64, 64))
	for name, c := range map[string]struct {
		file []byte
		want error
	}{
		"nothing":           {nil, ErrUnknown},
		"text":              {[]byte("hello"), ErrUnknown},
		"svg":               {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), ErrUnknown},
		"html":              {[]byte("<!doctype html><script>alert(1)</script>"), ErrUnknown},
		"tiff":              {[]byte("MM\x00\x2a\x00\x00\x00\x08"), ErrUnknown},
		"a name alone":      {[]byte("\x89PNG\r\n\x1a\n"), ErrBroken},
		"half a jpeg":       {good["jpeg"][:len(good["jpeg"])/2], ErrBroken},
		"half a png":        {good["png"][:len(good["png"])/2], ErrBroken},
		"half a webp":       {good["webp"][:len(good["webp"])/2], ErrBroken},
		"bomb":              {bomb(65535, 65535), ErrSize},
		"bomb beyond int32": {bomb(0x7fffffff, 0x7fffffff), ErrBroken},
		"wide bomb":         {bomb(1<<20, 16), ErrSize},
		"promises":          {bomb(5000, 5000), ErrBroken},
		"a dot":             {files(t, corners(2, 2))["png"], ErrSize},
	} {
		_, err := Make(c.file)
		require.ErrorIs(t, err, c.want, name)
	}
}

func FuzzMake(f *testing.F) {
	for _, file := range files(f, corners(32, 24)) {
		f.Add(file)
	}
	f.Add(exif(files(f, corners(32, 24))["jpeg"], 6))
	f.Add(bomb(65535, 65535))
	f.Fuzz(func(t *testing.T, file []byte) {
		sizes, err := Make(file)
		if err != nil {
			return
		}
		for _, s := range sizes {
			if _, err := xwebp.DecodeConfig(bytes.NewReader(s.Bytes)); err != nil {
				t.Fatalf("made something that is no WebP: %v", err)
			}
		}
	})
}
