package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// override sets fields from variables named after their path:
// CLAVIGER_STORE_URL, CLAVIGER_ROOT_TOKEN_0_PIN_FILE.
func override(v reflect.Value, prefix string, env func(string) (string, bool)) error {
	for i := range v.NumField() {
		name := prefix + "_" + strings.ToUpper(v.Type().Field(i).Tag.Get("toml"))
		f := v.Field(i)
		switch {
		case f.Kind() == reflect.Struct:
			if err := override(f, name, env); err != nil {
				return err
			}
			continue
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			first := strings.ToUpper(f.Type().Elem().Field(0).Tag.Get("toml"))
			for { // those that the file does not have
				if _, ok := env(fmt.Sprintf("%s_%d_%s", name, f.Len(), first)); !ok {
					break
				}
				f.Set(reflect.Append(f, reflect.Zero(f.Type().Elem())))
			}
			for n := range f.Len() {
				if err := override(f.Index(n), fmt.Sprintf("%s_%d", name, n), env); err != nil {
					return err
				}
			}
			continue
		}
		text, ok := env(name)
		if !ok {
			continue
		}
		if err := set(f, text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func set(f reflect.Value, text string) error {
	switch f.Kind() {
	case reflect.String:
		f.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		f.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		f.SetInt(int64(n))
	case reflect.Map: // "a=b,c=d"
		m := map[string]string{}
		for _, pair := range strings.Split(text, ",") {
			key, value, ok := strings.Cut(pair, "=")
			if !ok {
				return fmt.Errorf("%q is no pair with =", pair)
			}
			m[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
		f.Set(reflect.ValueOf(m))
	case reflect.Slice:
		var list []string
		for _, s := range strings.Split(text, ",") {
			if s = strings.TrimSpace(s); s != "" {
				list = append(list, s)
			}
		}
		if f.Type().Elem().Kind() == reflect.String {
			f.Set(reflect.ValueOf(list))
			return nil
		}
		numbers := make([]int, len(list))
		for i, s := range list {
			n, err := strconv.Atoi(s)
			if err != nil {
				return fmt.Errorf("%q is not a number", s)
			}
			numbers[i] = n
		}
		f.Set(reflect.ValueOf(numbers))
	default:
		return errors.New("cannot be set from the environment")
	}
	return nil
}
