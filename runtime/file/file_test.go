package file

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/iotest"
)

func TestFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	if err := os.WriteFile(name, []byte("0123456789"), 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(name, link); err != nil {
		t.Fatal(err)
	}
	f, err := Open(link)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	var info fs.FileInfo = f.Info()
	if info.Name() != "link" || info.Size() != 10 || !info.ModTime().Equal(want.ModTime()) || info.Mode() != want.Mode() || info.IsDir() ||
		info.Sys().(*syscall.Stat_t).Ino != want.Sys().(*syscall.Stat_t).Ino {
		t.Errorf("expected what os tells of the file, got %v", fs.FormatFileInfo(info))
	}
	if err := iotest.TestReader(f, []byte("0123456789")); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(make([]byte, 1)); !errors.Is(err, syscall.EBADF) {
		t.Errorf("expected a closed file, got %v", err)
	}
	if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("expected %v, got %v", fs.ErrClosed, err)
	}
}

func TestOpenOthers(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("expected no file, got %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{dir: fs.ModeDir, pipe: fs.ModeNamedPipe, os.DevNull: fs.ModeIrregular} {
		f, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Info().Mode().Type(); got != mode || f.Info().IsDir() != (mode == fs.ModeDir) {
			t.Errorf("%s: expected %v, got %v", name, mode, got)
		}
		if mode == fs.ModeDir {
			if _, err := f.Read(make([]byte, 1)); !errors.Is(err, syscall.EISDIR) || errors.Is(err, io.EOF) {
				t.Errorf("expected a folder not to be read, got %v", err)
			}
		}
		f.Close()
	}
}
