package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/problem"
)

// opened is a service's answer to the wish to send it a file: where its parts go, and how large they and it may be. What
// has arrived before, under the same Idempotency-Key, is not sent again.
type opened struct {
	ID       string `json:"id"`
	PartSize int    `json:"partSize"`
	Most     int64  `json:"most"`
	Complete bool   `json:"complete"`
}

// upload hands a file to the target: it opens it by POST, sends it in parts by PUT, each of which a sidecar can hold and
// repeat, and completes it, which is what is answered. A file is never in memory as a whole.
func (s *server) upload(w http.ResponseWriter, r *http.Request, to target) error {
	file, err := s.open(w, r, to)
	if err != nil {
		return err
	}
	sent, parts := int64(0), 0
	for !file.Complete {
		conn, until := http.NewResponseController(w), time.Now().Add(s.stalled)
		if err := conn.SetReadDeadline(until); err != nil {
			return fmt.Errorf("extend the read limit of an upload: %w", err)
		}
		// A sender who takes too long is told so after that, which takes time, too.
		if err := conn.SetWriteDeadline(until.Add(s.stalled)); err != nil {
			return fmt.Errorf("extend the write limit of an upload: %w", err)
		}
		part := make([]byte, min(int64(file.PartSize), file.Most+1-sent))
		n, err := io.ReadFull(boot.WholeBody(r), part)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return problem.New(problem.Invalid, "incomplete-body", "The body did not arrive whole.")
		}
		if sent += int64(n); sent > file.Most {
			return tooLarge(file.Most)
		}
		if n > 0 {
			to := target{to.app, to.path + "/" + url.PathEscape(file.ID) + "/parts/" + strconv.Itoa(parts)}
			if err := s.sendFile(w, r, http.MethodPut, to, "application/octet-stream", part[:n], nil); err != nil {
				return err
			}
			parts++
		}
		file.Complete = err != nil
	}
	end, err := json.Marshal(map[string]any{"bytes": sent, "parts": parts})
	if err != nil {
		return fmt.Errorf("complete an upload: %w", err)
	}
	return s.sendFile(w, r, http.MethodPut, target{to.app, to.path + "/" + url.PathEscape(file.ID) + "/completion"}, "application/json", end, w)
}

// open asks the target to take a file. A refusal, of the caller or of the file's size, comes before the file is read.
func (s *server) open(w http.ResponseWriter, r *http.Request, to target) (file opened, err error) {
	var answer bytes.Buffer
	if err := s.sendFile(w, r, http.MethodPost, to, "", nil, &answer); err != nil {
		return file, err
	}
	if json.Unmarshal(answer.Bytes(), &file) != nil || file.PartSize <= 0 || file.Most <= 0 {
		return file, unavailable(to.app, errors.New("it does not say how to send a file"))
	}
	if r.ContentLength > file.Most {
		return file, tooLarge(file.Most)
	}
	return file, nil
}

// sendFile makes one of the calls of an upload, with body in the place of r's, and writes the answer to out, as the
// whole answer if out is w.
func (s *server) sendFile(w http.ResponseWriter, r *http.Request, method string, to target, contentType string, body []byte, out io.Writer) error {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	call := r.Clone(ctx)
	call.Method, call.Body = method, io.NopCloser(bytes.NewReader(body))
	if contentType != "" {
		call.URL.RawQuery = ""
		call.Header.Set("Content-Type", contentType)
	}
	resp, err := s.send(w, call, to)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	// The limit for the answer starts anew with each part: it is for answers that nobody takes.
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.stalled)); err != nil {
		return fmt.Errorf("extend the write limit of an upload: %w", err)
	}
	if out == w {
		return handOver(w, r, resp)
	}
	if out == nil {
		out = io.Discard
	}
	if _, err := io.Copy(out, resp.Body); err != nil {
		return unavailable(to.app, err)
	}
	return nil
}

func tooLarge(most int64) error {
	return problem.New(problem.TooLarge, "body-too-large", "The body is larger than %d bytes.", most)
}

// download hands on a file that may take longer than other answers do, as long as it moves.
func (s *server) download(w http.ResponseWriter, r *http.Request, to target) error {
	ctx, leave := context.WithCancel(r.Context())
	defer leave()
	slow := time.AfterFunc(answerWithin, leave)
	resp, err := s.send(w, r.WithContext(ctx), to)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answerLike(w, r, resp)
	conn, buf := http.NewResponseController(w), make([]byte, 64<<10)
	for {
		slow.Reset(s.stalled)
		n, err := resp.Body.Read(buf)
		if deadline := conn.SetWriteDeadline(time.Now().Add(s.stalled)); deadline != nil {
			return fmt.Errorf("extend the write limit of a download: %w", deadline)
		}
		if _, gone := w.Write(buf[:n]); gone != nil || errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			panic(http.ErrAbortHandler) // half a file must not pass for a whole one
		}
	}
}
