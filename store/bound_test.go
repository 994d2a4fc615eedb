package store_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/claviger/claviger/store"
)

// TestAChangeStaysWithinItsDomain: every field of a Change, also one that is added
// later.
func TestAChangeStaysWithinItsDomain(t *testing.T) {
	fields := reflect.TypeFor[store.Change]()
	for i := range fields.NumField() {
		f := fields.Field(i)
		if f.Name == "Audit" { // names the domain that it is about
			continue
		}
		of := func(domain string) (c store.Change, has bool) {
			element := reflect.New(f.Type.Elem()).Elem()
			if d := element.FieldByName("Domain"); d.IsValid() {
				d.SetString(domain)
				has = true
			}
			v := reflect.ValueOf(&c).Elem().Field(i)
			v.Set(reflect.Append(v, element))
			return c, has
		}
		c, _ := of("other")
		if err := c.Within("mine", "system"); !errors.Is(err, store.ErrForeign) {
			t.Errorf("%s of another domain: %v", f.Name, err)
		}
		records := f.Type.Elem() == reflect.TypeFor[store.Record]() || f.Type.Elem() == reflect.TypeFor[store.RecordRef]()
		c, has := of("system")
		if err := c.Within("mine", "system"); has && (err == nil) != records {
			t.Errorf("%s of the installation: %v", f.Name, err)
		}
	}
	mine := store.Change{
		Insert: []store.Object{{Domain: "mine"}}, Delete: []store.Ref{{Domain: "mine"}}, Take: []store.Name{{Domain: "mine"}},
		AddSides: []store.SideRow{{Domain: "mine"}}, Counters: []store.CounterChange{{Domain: "mine"}}, AddRecords: []store.Record{{Domain: "mine"}},
	}
	if err := mine.Within("mine", "system"); err != nil {
		t.Errorf("what is its own: %v", err)
	}
}
