//go:build cgo

package pkcs11

// generationNow is how often the module was initialised anew.
func (m *module) generationNow() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.generation
}
