package failpoint

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAProcessDiesAtTheArmedPointOnly(t *testing.T) {
	if dir := os.Getenv("FAILPOINT_TEST_DIR"); dir != "" {
		Hit("here") // off: nothing happens, though it is armed
		Enable(dir, "payment")
		Hit("elsewhere")
		Hit("here")
		os.Exit(0)
	}
	dir := t.TempDir()
	arm(t, dir, "payment.here")
	arm(t, dir, "ordering.elsewhere")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "FAILPOINT_TEST_DIR="+dir)
	err := cmd.Run()
	var ended *exec.ExitError
	require.ErrorAs(t, err, &ended)
	require.Equal(t, syscall.SIGKILL, ended.Sys().(syscall.WaitStatus).Signal())
	require.Equal(t, []string{"payment.here"}, hits(t, dir))
	require.NoFileExists(t, filepath.Join(dir, "payment.here"))
	require.FileExists(t, filepath.Join(dir, "ordering.elsewhere"))
}

func TestOneArmingIsOneDeath(t *testing.T) {
	p := &points{t.TempDir(), "payment"}
	arm(t, p.dir, "payment.here")
	var deaths atomic.Int32
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { p.hit("here", func() { deaths.Add(1) }) })
	}
	group.Wait()
	require.Equal(t, int32(1), deaths.Load())
	require.Len(t, hits(t, p.dir), 1)
}

func TestNobodyDiesUnrecorded(t *testing.T) {
	p := &points{t.TempDir(), "payment"}
	arm(t, p.dir, "payment.here")
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "hits"), 0o700)) // nothing can be appended to it
	p.hit("here", func() { t.Error("died") })
}

func TestWithoutADirectoryAllPointsAreOff(t *testing.T) {
	Enable("", "payment")
	require.Nil(t, active.Load())
	require.Zero(t, testing.AllocsPerRun(100, func() { Hit("here") }))
}

func arm(t *testing.T, dir, name string) {
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
}

func hits(t *testing.T, dir string) (names []string) {
	text, err := os.ReadFile(filepath.Join(dir, "hits"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		names = append(names, strings.Fields(line)[1])
	}
	return names
}
