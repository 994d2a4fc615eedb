package dialect

import (
	"reflect"
	"sync"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// kind says how a Go field is written.
type kind int

const (
	kindText kind = iota
	kindBytes
	kindEnumeration
	kindInteger
	kindLong
	kindBoolean
	kindDateTime
	kindInterval
	kindReference
	kindVersion
	kindItem
	kindStruct
	kindTemplate
	kindAttributeList
	kindInstance
	kindAttributeID
	kindObject
	kindData
)

var kinds = map[reflect.Type]kind{
	reflect.TypeFor[string]():                kindText,
	reflect.TypeFor[[]byte]():                kindBytes,
	reflect.TypeFor[int32]():                 kindInteger,
	reflect.TypeFor[int64]():                 kindLong,
	reflect.TypeFor[bool]():                  kindBoolean,
	reflect.TypeFor[time.Time]():             kindDateTime,
	reflect.TypeFor[time.Duration]():         kindInterval,
	reflect.TypeFor[kmip.Reference]():        kindReference,
	reflect.TypeFor[kmip.Version]():          kindVersion,
	reflect.TypeFor[kmip.Item]():             kindItem,
	reflect.TypeFor[payload.Template]():      kindTemplate,
	reflect.TypeFor[payload.AttributeList](): kindAttributeList,
	reflect.TypeFor[payload.Instance]():      kindInstance,
	reflect.TypeFor[kmip.AttributeID]():      kindAttributeID,
	reflect.TypeFor[kmip.Object]():           kindObject,
	reflect.TypeFor[payload.Data]():          kindData,
}

// oldTags are the tags that KMIP 1.x has in the place of those of 2.x.
var oldTags = map[kmip.Tag]kmip.Tag{
	kmip.TagAttributes:              kmip.TagTemplateAttribute,
	kmip.TagCommonAttributes:        kmip.TagCommonTemplateAttribute,
	kmip.TagPrivateKeyAttributes:    kmip.TagPrivateKeyTemplateAttribute,
	kmip.TagPublicKeyAttributes:     kmip.TagPublicKeyTemplateAttribute,
	kmip.TagNewAttribute:            kmip.TagAttribute,
	kmip.TagAttributeReference:      kmip.TagAttributeName,
	kmip.TagCertificateRequestValue: kmip.TagCertificateRequest,
}

// fieldPlan says how one field of a struct is read and written.
type fieldPlan struct {
	index   int
	tag     kmip.Tag // 2.x and later; 0 for an object
	oldTag  kmip.Tag // 1.x
	kind    kind
	slice   bool
	pointer bool
	elem    *plan // of kindStruct
}

func (f *fieldPlan) tagFor(c codec) kmip.Tag {
	if c.old() {
		return f.oldTag
	}
	return f.tag
}

// plan says how a struct is read and written.
type plan struct {
	fields []fieldPlan
}

var plans sync.Map // reflect.Type → *plan

func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := &plan{}
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("kmip") == "-" {
			continue // filled by the code of this package
		}
		p.fields = append(p.fields, planField(t.Field(i), i))
	}
	plans.Store(t, p)
	return p
}

func planField(sf reflect.StructField, index int) fieldPlan {
	f := fieldPlan{index: index}
	t := sf.Type
	known := func() bool {
		k, ok := kinds[t]
		f.kind = k
		return ok
	}
	if !known() {
		switch t.Kind() {
		case reflect.Pointer:
			f.pointer, t = true, t.Elem()
		case reflect.Slice:
			f.slice, t = true, t.Elem()
		}
		if !known() {
			switch t.Kind() {
			case reflect.Uint32:
				f.kind = kindEnumeration
			case reflect.Struct:
				f.kind, f.elem = kindStruct, planOf(t)
			default:
				panic("dialect: no plan for field " + sf.Name) // a mistake of ours, which a test finds for every payload
			}
		}
	}
	if f.kind == kindObject {
		return f
	}
	name := sf.Tag.Get("kmip") // where the name of the tag is no name of a Go field
	if name == "" {
		name = sf.Name
	}
	tag, ok := kmip.TagByName(name)
	if !ok {
		panic("dialect: no tag is named " + sf.Name)
	}
	f.tag, f.oldTag = tag, tag
	if old, ok := oldTags[tag]; ok {
		f.oldTag = old
	}
	if f.kind == kindAttributeList {
		f.oldTag = kmip.TagAttribute
	}
	return f
}

// find returns the field for a tag; nil when the struct has none.
func (p *plan) find(c codec, tag kmip.Tag) *fieldPlan {
	for i := range p.fields {
		f := &p.fields[i]
		if f.kind == kindObject {
			if _, ok := objectTypes[tag]; ok {
				return f
			}
		} else if f.tagFor(c) == tag {
			return f
		}
	}
	return nil
}
