package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/bson"
)

// proxy stands between clients and FerretDB v1, which reads, changes and writes a document back in separate steps: of
// 200 concurrent $inc it loses most. One write at a time, over all connections, makes each of them atomic; only updates that
// each name one document by its id pass side by side, if it is not the same one. Reads pass freely.
type proxy struct {
	backend   func(login string) (net.Conn, error)
	writes    sync.RWMutex
	documents [64]sync.Mutex // by hash
}

// lock waits until a write may pass, and returns what to call after it.
func (p *proxy) lock(write message) (unlock func()) {
	id, one := write.document()
	if !one {
		p.writes.Lock()
		return p.writes.Unlock
	}
	document := &p.documents[maphash.Bytes(seed, id)%uint64(len(p.documents))]
	p.writes.RLock()
	document.Lock()
	return func() { document.Unlock(); p.writes.RUnlock() }
}

var seed = maphash.MakeSeed()

// serve accepts clients until the listener is closed.
func (p *proxy) serve(front net.Listener) {
	for {
		client, err := front.Accept()
		if err != nil {
			return
		}
		go p.relay(client)
	}
}

// relay carries one client's requests to the server and the answers back, until either side hangs up. When the client
// logs in it is connected to the server of its login.
func (p *proxy) relay(client net.Conn) {
	defer client.Close()
	server, err := p.backend("")
	if err != nil {
		return
	}
	defer func() { server.Close() }()
	for {
		request, err := readMessage(client)
		if err != nil {
			return
		}
		if login := request.login(); login != "" {
			server.Close()
			if server, err = p.backend(login); err != nil {
				slog.Warn("no server for a login", "error", err.Error())
				server = client // what is closed at the end
				return
			}
		}
		answer, err := p.exchange(server, request)
		if err != nil {
			return
		}
		if request.silent {
			continue
		}
		if _, err := client.Write(answer.bytes); err != nil {
			return
		}
	}
}

func (p *proxy) exchange(server net.Conn, request message) (message, error) {
	if request.writes() {
		defer p.lock(request)()
	}
	var answer message
	for _, part := range request.parts() {
		if _, err := server.Write(part); err != nil {
			return message{}, err
		}
		var err error
		if answer, err = readMessage(server); err != nil {
			return message{}, err
		}
	}
	return answer, nil
}

// parts are the requests to send for one: a createIndexes becomes one per index, because FerretDB panics when it is
// asked for several that are there already. The client gets the last answer.
func (m message) parts() [][]byte {
	whole := [][]byte{m.bytes}
	const body = headerSize + 5 // flags (4), kind of section (1)
	if m.command != "createindexes" || len(m.bytes) < body || m.bytes[body-1] != 0 {
		return whole
	}
	var document bson.D
	if err := bson.Unmarshal(m.bytes[body:], &document); err != nil {
		return whole
	}
	at := slices.IndexFunc(document, func(e bson.E) bool { return e.Key == "indexes" })
	if at < 0 {
		return whole
	}
	indexes, _ := document[at].Value.(bson.A)
	var parts [][]byte
	for _, index := range indexes {
		one := slices.Clone(document)
		one[at].Value = bson.A{index}
		text, err := bson.Marshal(one)
		if err != nil {
			return whole
		}
		part := append(slices.Clone(m.bytes[:body]), text...)
		binary.LittleEndian.PutUint32(part, uint32(len(part)))
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return whole
	}
	return parts
}

// message is one frame of MongoDB's wire protocol.
type message struct {
	bytes   []byte
	command string // of an OP_MSG, lower case
	silent  bool   // an OP_MSG whose sender expects no answer
}

// writing are the commands that change documents or collections.
var writing = map[string]bool{
	"insert": true, "update": true, "delete": true, "findandmodify": true, "bulkwrite": true,
	"create": true, "createindexes": true, "drop": true, "dropindexes": true, "dropdatabase": true, "renamecollection": true, "collmod": true,
}

func (m message) writes() bool { return writing[m.command] }

// document is the id that an update's one statement asks for, as it is in the message.
func (m message) document() (id []byte, one bool) {
	const sequence = headerSize + 4 // flags
	if m.command != "update" {
		return nil, false
	}
	for rest := m.bytes[sequence:]; len(rest) > 5; {
		size := int(binary.LittleEndian.Uint32(rest[1:]))
		if size < 4 || size+1 > len(rest) {
			return nil, false
		}
		if name, statements, is := bytes.Cut(rest[5:size+1], []byte{0}); rest[0] == 1 && is && string(name) == "updates" {
			return onlyDocument(statements)
		}
		rest = rest[1+size:]
	}
	return nil, false
}

// onlyDocument is the id that the query of the only one of statements names.
func onlyDocument(statements bson.Raw) (id []byte, one bool) {
	if len(statements) < 4 || int(binary.LittleEndian.Uint32(statements)) != len(statements) || statements.Validate() != nil {
		return nil, false
	}
	if many, _ := statements.Lookup("multi").BooleanOK(); many {
		return nil, false
	}
	v := statements.Lookup("q", "_id")
	return v.Value, v.Type == bson.TypeString
}

// login is the user name of a request to log in by the PLAIN mechanism, whose payload is NUL user NUL password.
func (m message) login() string {
	if m.command != "saslstart" {
		return ""
	}
	const key = "\x05payload\x00" // a binary value: size (4), subtype (1), bytes
	at := bytes.Index(m.bytes, []byte(key))
	if at < 0 || at+len(key)+5 > len(m.bytes) {
		return ""
	}
	parts := bytes.SplitN(m.bytes[at+len(key)+5:], []byte{0}, 3)
	if len(parts) < 3 {
		return ""
	}
	return string(parts[1])
}

const (
	headerSize     = 16
	maxMessageSize = 48_000_000 // what MongoDB announces as maxMessageSizeBytes
	opMsg          = 2013
	moreToCome     = 1 << 1
	exhaustAllowed = 1 << 16
)

var errFrame = errors.New("not a message of the MongoDB wire protocol")

// readMessage reads one frame. It asks the server to answer every request with exactly one message, so that a write
// holds the lock until it is done, even one whose sender does not want to know.
func readMessage(r io.Reader) (message, error) {
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(r, header); err != nil {
		return message{}, err
	}
	size := binary.LittleEndian.Uint32(header)
	if size < headerSize || size > maxMessageSize {
		return message{}, errFrame
	}
	frame := slices.Grow(header, int(size-headerSize))[:size]
	if _, err := io.ReadFull(r, frame[headerSize:]); err != nil {
		return message{}, err
	}
	m := message{bytes: frame}
	if binary.LittleEndian.Uint32(frame[12:]) != opMsg {
		return m, nil
	}
	if size < headerSize+4 {
		return message{}, errFrame
	}
	flags := binary.LittleEndian.Uint32(frame[headerSize:])
	m.silent = flags&moreToCome != 0
	binary.LittleEndian.PutUint32(frame[headerSize:], flags&^(moreToCome|exhaustAllowed))
	m.command = strings.ToLower(commandName(frame[headerSize+4:]))
	return m, nil
}

// commandName finds the first key of an OP_MSG's body section, which names the command. A body may follow document
// sequences, whose size tells where they end.
func commandName(sections []byte) string {
	for len(sections) > 5 {
		size := int(binary.LittleEndian.Uint32(sections[1:]))
		if sections[0] == 0 {
			name, _, _ := bytes.Cut(sections[6:], []byte{0}) // kind, document size (4), type of the first element
			return string(name)
		}
		if size < 4 || size+1 > len(sections) {
			return ""
		}
		sections = sections[1+size:]
	}
	return ""
}
