package crypto

import "github.com/claviger/claviger/kmip"

// parts is a computation whose data comes in one part or in several. After
// finish, or an error, it is not used again but for destroy.
type parts interface {
	// update takes data and returns new memory, or nothing.
	update(data []byte) ([]byte, error)
	finish(data, expected []byte) (StreamResult, error)
	destroy()
}

// whole is a computation that cannot be done in parts: what is given before the
// last part is held, up to MaxStreamBytes together with what extra says.
type whole struct {
	compute func(data, expected []byte) (StreamResult, error)
	extra   int    // bytes that compute holds on to and a client chose
	wipe    func() // overwrites what compute holds; may be nil
	held    []byte
}

func (w *whole) update(data []byte) ([]byte, error) {
	if len(data) > MaxStreamBytes-w.extra-len(w.held) {
		return nil, errStreamBytes()
	}
	if need := len(w.held) + len(data); need > cap(w.held) { // grown here, so that no copy of a secret stays behind
		grown := append(make([]byte, 0, max(need, min(2*cap(w.held), MaxStreamBytes))), w.held...)
		clear(w.held)
		w.held = grown
	}
	w.held = append(w.held, data...)
	return nil, nil
}

func (w *whole) finish(data, expected []byte) (StreamResult, error) {
	if len(w.held) == 0 {
		return w.compute(data, expected)
	}
	if _, err := w.update(data); err != nil {
		return StreamResult{}, err
	}
	return w.compute(w.held, expected)
}

func (w *whole) destroy() {
	clear(w.held)
	w.held = nil
	if w.wipe != nil {
		w.wipe()
	}
}

func errStreamBytes() error {
	return kmip.Fail(kmip.KindTooMany, "this algorithm takes at most %d bytes in several parts", MaxStreamBytes)
}
