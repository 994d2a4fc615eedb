package wire

import "github.com/claviger/claviger/kmip"

// text is a message in XML or JSON that is being read. It is gone through
// twice: the first pass checks the syntax and counts the items, so that the
// second can build the tree in memory of the right size. Each byte is looked
// at a fixed number of times, whatever the nesting, and values are undone in
// place: the tree is all that a message costs. The readers of the standard
// library hand out values as strings, which nobody can overwrite; here they are
// the judges of the tests.
type text struct {
	encoding Encoding
	b        []byte
	lim      Limits
	at       int // next byte

	items  int
	counts []int32   // fields of each structure, in the order in which they begin
	begun  int       // structures that have begun in this pass
	levels []*fields // by depth
	slab   []kmip.Item
	build  bool // the second pass
}

// parse reads a message by a function that reads one from the beginning.
func (t *text) parse(read func(root *kmip.Item) error) (kmip.Item, error) {
	if len(t.b) > t.lim.MaxBytes {
		return kmip.Item{}, &TooLargeError{int64(len(t.b)), t.lim.MaxBytes}
	}
	var root kmip.Item
	if err := read(&root); err != nil {
		return kmip.Item{}, err
	}
	t.slab = make([]kmip.Item, t.items-1)
	t.at, t.items, t.begun, t.build = 0, 0, 0, true
	root = kmip.Item{}
	if err := read(&root); err != nil {
		return kmip.Item{}, err
	}
	return root, nil
}

func (t *text) fail(at int, reason string) error {
	return &SyntaxError{Offset: at, Reason: reason, Encoding: t.encoding}
}

// smallestText is the number of bytes that an item takes on average in the
// shortest message that means something: <V type="Integer" value="0"/> has 30. A
// message whose items are smaller (<V/>) would cost more in memory than its size
// allows.
const smallestText = 8

// item counts an item that begins inside so many structures.
func (t *text) item(depth int) error {
	if t.items++; t.items > min(t.lim.MaxItems, len(t.b)/smallestText+8) {
		return t.fail(t.at, "too many items")
	}
	if depth > t.lim.MaxDepth {
		return t.fail(t.at, "structures nest too deep")
	}
	return nil
}

// fields hands out the places of the fields of one structure.
type fields struct {
	t         *text
	structure int         // its place in counts
	places    []kmip.Item // of the second pass
	used      int
	spare     kmip.Item // where the first pass puts what it reads
	names     naming
}

// fields begins the fields of a structure inside so many others. What it gives
// is used again by the next structure of that depth.
func (t *text) fields(depth int) *fields {
	for len(t.levels) <= depth {
		t.levels = append(t.levels, &fields{})
	}
	f := t.levels[depth]
	*f = fields{t: t, structure: t.begun}
	t.begun++
	if t.build {
		n := t.counts[f.structure]
		f.places, t.slab = t.slab[:n:n], t.slab[n:]
	} else {
		t.counts = append(t.counts, 0)
	}
	return f
}

// read reads the next field by a function.
func (f *fields) read(one func(place *kmip.Item, names naming) error) error {
	place := &f.spare
	if f.t.build {
		place = &f.places[f.used]
		f.used++
	} else {
		f.t.counts[f.structure]++
		f.spare = kmip.Item{}
	}
	if err := one(place, f.names); err != nil {
		return err
	}
	f.names.passed(place)
	return nil
}
