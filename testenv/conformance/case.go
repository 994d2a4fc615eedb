// Package conformance reads the OASIS test cases and the results of their
// runner, and writes docs/conformance.md from them.
package conformance

import (
	"encoding/xml"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/claviger/claviger/kmip"
)

// Case is what a test case uses.
type Case struct {
	Name        string
	Operations  []kmip.Operation
	ObjectTypes []kmip.ObjectType
}

// ReadCases reads the cases below a folder.
func ReadCases(dir string) ([]Case, error) {
	var cases []Case
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".xml" {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		var root element
		if err := xml.NewDecoder(f).Decode(&root); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		c := Case{Name: strings.TrimSuffix(filepath.Base(path), ".xml")}
		root.collect(&c)
		slices.Sort(c.Operations)
		c.Operations = slices.Compact(c.Operations)
		slices.Sort(c.ObjectTypes)
		c.ObjectTypes = slices.Compact(c.ObjectTypes)
		cases = append(cases, c)
		return nil
	})
	return cases, err
}

type element struct {
	XMLName xml.Name
	Value   string    `xml:"value,attr"`
	Fields  []element `xml:",any"`
}

func (e *element) field(name string) string {
	for i := range e.Fields {
		if e.Fields[i].XMLName.Local == name {
			return e.Fields[i].Value
		}
	}
	return ""
}

// collect notes what the batch items of a message use. What Query lists is not
// used.
func (e *element) collect(c *Case) {
	if e.XMLName.Local == "BatchItem" {
		if op, ok := kmip.EnumByName(kmip.TagOperation, e.field("Operation")); ok {
			c.Operations = append(c.Operations, kmip.Operation(op))
			if kmip.Operation(op) != kmip.OperationQuery {
				e.objects(c)
			}
			if kmip.Operation(op) == kmip.OperationCreateKeyPair {
				c.ObjectTypes = append(c.ObjectTypes, kmip.ObjectTypePublicKey, kmip.ObjectTypePrivateKey)
			}
		}
		return
	}
	for i := range e.Fields {
		e.Fields[i].collect(c)
	}
}

// objects notes the object types that are named, and the objects that are there.
func (e *element) objects(c *Case) {
	name := e.XMLName.Local
	if name == "ObjectType" || name == "AttributeValue" {
		name = e.Value
	} else if len(e.Fields) == 0 {
		return
	}
	if t, ok := kmip.EnumByName(kmip.TagObjectType, name); ok {
		c.ObjectTypes = append(c.ObjectTypes, kmip.ObjectType(t))
	}
	for i := range e.Fields {
		e.Fields[i].objects(c)
	}
}
