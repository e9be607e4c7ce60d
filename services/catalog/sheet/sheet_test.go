package sheet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// lines reads a whole table: each record with its line, and what is wrong with which.
func lines(t testing.TB, text string) (records map[int][]string, faults map[int]string) {
	r, _, err := NewReader(strings.NewReader(text))
	require.NoError(t, err)
	records, faults = map[int][]string{}, map[int]string{}
	for {
		cells, line, err := r.Read()
		if errors.Is(err, io.EOF) {
			return records, faults
		}
		if fault, ok := errors.AsType[*LineError](err); ok {
			require.NotContains(t, faults, fault.Line)
			faults[fault.Line] = fault.Code
			continue
		}
		require.NoError(t, err)
		records[line] = cells
	}
}

func TestTheWaysOfSpreadsheets(t *testing.T) {
	for name, text := range map[string]string{
		"plain":               "a,b\n1,2\n",
		"Windows":             "a,b\r\n1,2\r\n",
		"byte order mark":     "\xef\xbb\xbfa,b\n1,2\n",
		"no end of line":      "a,b\n1,2",
		"semicolons":          "a;b\n1;2\n",
		"quoted":              "\"a\",\"b\"\n\"1\",\"2\"\n",
		"empty lines between": "a,b\n\n\n1,2\n\n",
	} {
		records, faults := lines(t, text)
		require.Empty(t, faults, name)
		require.Len(t, records, 1, name)
		for _, cells := range records {
			require.Equal(t, []string{"1", "2"}, cells, name)
		}
	}
	records, faults := lines(t, "a,b\n\"x\ny \"\"z\"\"\",\"1,5\"\nlast,2\n")
	require.Empty(t, faults)
	require.Equal(t, map[int][]string{2: {"x\ny \"z\"", "1,5"}, 4: {"last", "2"}}, records)
	for text, want := range map[string]error{"": ErrEmpty, "\xef\xbb\xbf": ErrEmpty, "\xff\xfea\x00": ErrEncoding, "a,\xe4\n": ErrEncoding} {
		_, _, err := NewReader(strings.NewReader(text))
		require.ErrorIs(t, err, want)
	}
}

func TestABrokenLineLosesNoOther(t *testing.T) {
	for broken, code := range map[string]string{
		"1":                    "wrong-columns",
		"1,2,3":                "wrong-columns",
		`"1,2`:                 "unclosed-quote",
		`1,"2`:                 "unclosed-quote",
		`1,2"`:                 "unclosed-quote",
		`1,2"3"`:               "malformed-line",
		`"1"x,2`:               "malformed-line",
		"1,\xff\xfe":           "invalid-encoding",
		"1,a\x00\xc3":          "invalid-encoding",
		`""",` + "2":           "unclosed-quote",
		"\"\"\"1,2":            "unclosed-quote",
		strings.Repeat(`"`, 7): "unclosed-quote",
	} {
		for _, quoted := range []bool{false, true} {
			var text strings.Builder
			text.WriteString("a,b\n")
			for i := 2; i <= 40; i++ {
				switch {
				case i == 20:
					text.WriteString(broken + "\n")
				case quoted:
					fmt.Fprintf(&text, "\"%d\",\"x, \"\"y\"\"\"\n", i)
				default:
					fmt.Fprintf(&text, "%d,x\n", i)
				}
			}
			records, faults := lines(t, text.String())
			require.Equal(t, map[int]string{20: code}, faults, broken)
			require.Len(t, records, 38, broken)
			for line, cells := range records {
				require.Equal(t, fmt.Sprint(line), cells[0], broken)
			}
		}
	}
	long := "a,b\n1,2\n" + strings.Repeat("x", maxRecord+10) + ",2\n4,2\n\"" + strings.Repeat("y\n", 2*maxLines) + "1,2\n"
	records, faults := lines(t, long)
	require.Equal(t, "line-too-long", faults[3])
	require.Equal(t, "unclosed-quote", faults[5])
	require.Equal(t, []string{"4", "2"}, records[4])
	require.Equal(t, []string{"1", "2"}, records[5+2*maxLines], "an open quote does not swallow the rest of the file")
}

func TestCellsAreNoFormulas(t *testing.T) {
	for _, cell := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''=1", `=HYPERLINK("http://x","y")`} {
		require.Equal(t, "'"+cell, Neutral(cell))
		require.Equal(t, cell, Plain(Neutral(cell)))
	}
	for _, cell := range []string{"", "a", "'", "'a", "1-1", "a=b", " =1"} {
		require.Equal(t, cell, Neutral(cell))
		require.Equal(t, cell, Plain(cell))
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringOf(rapid.RuneFrom([]rune("ab,;\"'=+-@\n\t ü日|:"))).Filter(func(s string) bool { return strings.TrimSpace(s) != "" })
		want := rapid.SliceOfN(rapid.SliceOfN(cell, 3, 3), 1, 20).Draw(t, "table")
		var out bytes.Buffer
		w := NewWriter(&out)
		for _, record := range append([][]string{{"x", "y", "z"}}, want...) {
			require.NoError(t, w.Write(record))
		}
		require.NoError(t, w.Flush())
		r, _, err := NewReader(&out)
		require.NoError(t, err)
		for _, record := range want {
			got, _, err := r.Read()
			require.NoError(t, err)
			require.Equal(t, record, got)
		}
	})
}

// FuzzReader checks that whatever a file holds, reading it ends, and that every line that could be read before a broken
// one is added can be read afterwards.
func FuzzReader(f *testing.F) {
	f.Add("a,b\n1,2\n", "\"broken\n")
	f.Add("\xef\xbb\xbfa;b\r\n\"1\n\";2", "x")
	f.Add("a\n\"\"\"", "\x00")
	f.Fuzz(func(t *testing.T, text, broken string) {
		for _, whole := range []string{text, text + "\n" + broken} {
			r, heading, err := NewReader(strings.NewReader(whole))
			if err != nil {
				continue
			}
			last, n := 0, strings.Count(whole, "\n")+1
			for {
				cells, line, err := r.Read()
				if errors.Is(err, io.EOF) {
					break
				}
				if line <= last || line > n {
					t.Fatalf("line %d comes after line %d of %d", line, last, n)
				}
				last = line
				if err == nil && len(cells) != len(heading) {
					t.Fatalf("line %d has %d cells", line, len(cells))
				}
				if err == nil && slices.ContainsFunc(cells, func(c string) bool { return len(c) > maxRecord }) {
					t.Fatal("a cell is larger than a record may be")
				}
			}
		}
	})
}
