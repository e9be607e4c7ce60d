package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
)

// readRaw takes from a MIME message (RFC 5322, RFC 2045) what the inbox shows: sender, recipients, subject, and the
// first HTML and text parts, which are taken to be UTF-8. Attachments are left out.
func readRaw(raw []byte, m *mail) error {
	msg, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return badRequest("Raw.Data is not a MIME message.")
	}
	var words mime.WordDecoder
	if m.Subject, err = words.DecodeHeader(msg.Header.Get("Subject")); err != nil {
		m.Subject = msg.Header.Get("Subject")
	}
	if m.From == "" {
		from, err := msg.Header.AddressList("From")
		if err != nil {
			return badRequest("Raw.Data has no valid From header.")
		}
		m.From = from[0].String()
	}
	for _, field := range []string{"To", "Cc", "Bcc"} {
		list, err := msg.Header.AddressList(field)
		if err != nil && !errors.Is(err, netmail.ErrHeaderNotPresent) {
			return badRequest("Raw.Data has an invalid %s header.", field)
		}
		for _, a := range list {
			m.Recipients = append(m.Recipients, a.Address)
		}
	}
	for name, values := range msg.Header {
		if strings.HasPrefix(name, "List-") {
			m.Headers = append(m.Headers, mailHeader{name, values[0]})
		}
	}
	const depth = 5 // of multiparts in multiparts; honest mail has two or three
	if err := readPart(msg.Body, msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), m, depth); err != nil {
		return badRequest("Raw.Data cannot be read: %s.", err)
	}
	return nil
}

func readPart(body io.Reader, contentType, encoding string, m *mail, depth int) error {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		mediaType = "text/plain" // RFC 2045 section 5.2
	}
	if strings.HasPrefix(mediaType, "multipart/") {
		if depth == 0 {
			return errors.New("too many nested parts")
		}
		parts := multipart.NewReader(body, params["boundary"])
		for {
			part, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if strings.HasPrefix(part.Header.Get("Content-Disposition"), "attachment") {
				continue
			}
			if err := readPart(part, part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), m, depth-1); err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(encoding) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	switch {
	case mediaType == "text/html" && m.HTML == "":
		m.HTML = strings.ToValidUTF8(string(text), "�")
	case mediaType == "text/plain" && m.Text == "":
		m.Text = strings.ToValidUTF8(string(text), "�")
	}
	return nil
}
