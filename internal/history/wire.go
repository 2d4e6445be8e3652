package history

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// The JSON of core's types says what a person is shown: some of what Decide goes by is
// left out of it. A recording has all fields, by their Go names, whatever their tags say;
// those that are zero are left out.

var timeType = reflect.TypeFor[time.Time]()

// toWire is a value as json.Marshal takes it.
func toWire(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == timeType {
			return v.Interface()
		}
		fields := map[string]any{}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !v.Field(i).IsZero() {
				fields[f.Name] = toWire(v.Field(i))
			}
		}
		return fields
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = toWire(v.Index(i))
		}
		return list
	case reflect.Map:
		if v.IsNil() {
			return nil
		}
		m := map[string]any{}
		for it := v.MapRange(); it.Next(); {
			m[it.Key().String()] = toWire(it.Value())
		}
		return m
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return toWire(v.Elem())
	}
	return v.Interface()
}

// fromWire puts what json.Decoder made, with UseNumber, into v. What v has no place for
// is an error: it is a recording of another keeper.
func fromWire(v reflect.Value, in any) error {
	if in == nil {
		return nil
	}
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == timeType {
			return viaJSON(v, in)
		}
		fields, ok := in.(map[string]any)
		if !ok {
			return wrong(v, in)
		}
		for name, value := range fields {
			f, known := v.Type().FieldByName(name)
			if !known || !f.IsExported() || len(f.Index) != 1 {
				return fmt.Errorf("%s has no field %q", v.Type(), name)
			}
			if err := fromWire(v.FieldByIndex(f.Index), value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	case reflect.Slice:
		list, ok := in.([]any)
		if !ok {
			return wrong(v, in)
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i, value := range list {
			if err := fromWire(v.Index(i), value); err != nil {
				return err
			}
		}
		return nil
	case reflect.Map:
		m, ok := in.(map[string]any)
		if !ok {
			return wrong(v, in)
		}
		v.Set(reflect.MakeMapWithSize(v.Type(), len(m)))
		for key, value := range m {
			e := reflect.New(v.Type().Elem()).Elem()
			if err := fromWire(e, value); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), e)
		}
		return nil
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return fromWire(v.Elem(), in)
	}
	return viaJSON(v, in)
}

// viaJSON has encoding/json look after numbers that are too large, and the like.
func viaJSON(v reflect.Value, in any) error {
	data, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v.Addr().Interface())
}

func wrong(v reflect.Value, in any) error { return fmt.Errorf("%T cannot be a %s", in, v.Type()) }
