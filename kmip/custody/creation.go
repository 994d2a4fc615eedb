package custody

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/lifecycle"
	"github.com/claviger/claviger/store"
)

// Bounds of the attributes of an object: instances of one, all together, and
// the bytes that an object may grow to by adding to it.
const (
	maxInstances      = 1024
	maxAttributes     = 4096
	maxAttributeBytes = 2 << 20
)

// newborn is an object that is being made: its value, and what is known of it.
type newborn struct {
	typ kmip.ObjectType
	// attrs are those that the client gave.
	attrs kmip.Attributes
	value *kmip.Object
	// algorithm, length and format come from the value.
	algorithm kmip.CryptographicAlgorithm
	length    int32
	format    kmip.KeyFormatType
	// generated tells that the server made the key.
	generated bool
	// dates are those of the object that it replaces: they need not be in order.
	dates kmip.Dates
	// uid is the identifier that a client chose; empty: a new one.
	uid string
	// imported tells that attributes are taken as they are given.
	imported bool
	// replaces is the record whose place an imported object takes; nil: none.
	replaces *store.Object
	// signatures are the Digital Signature Algorithms of a PGP key.
	signatures []kmip.DigitalSignatureAlgorithm
	// credential is what users prove themselves by with the object; 0: nothing.
	credential kmip.CredentialType
	// system tells that it is an object of the server's own (KMIP 3.0).
	system bool
	// resident tells that the key lives in a token; the value says where.
	resident bool
}

// checkCreation refuses attributes that a client may not give at creation.
func checkCreation(attrs kmip.Attributes) error {
	if len(attrs) > maxAttributes {
		return kmip.Fail(kmip.KindTooMany, "an object has at most %d attributes", maxAttributes)
	}
	if err := checkGiven(oneGenerator(attrs)); err != nil {
		return err
	}
	return checkDates(kmip.Dates{}, attrs.Dates())
}

// checkGiven is checkCreation without the order of the dates.
func checkGiven(attrs kmip.Attributes) error {
	seen := map[kmip.AttributeID]int{}
	names := map[string]bool{}
	for _, at := range attrs {
		if at.Tag == kmip.TagName {
			n := kmip.NameOf(at.Value).Value
			if names[n] {
				return kmip.Fail(kmip.KindNameNotUnique, "one Name is given twice")
			}
			names[n] = true
		}
		rule, ok := kmip.RuleOf(at.AttributeID)
		switch {
		case !ok:
			return kmip.Fail(kmip.KindAttributeUnsupported, "no attribute %s", at)
		case !rule.Create:
			return kmip.Fail(kmip.KindAttributeReadOnly, "%s is set by the server", at)
		}
		seen[at.AttributeID]++
		if n := seen[at.AttributeID]; n > 1 && !rule.Multi {
			return kmip.Fail(kmip.KindAttributeSingleValued, "%s has one value only", at)
		} else if n > maxInstances {
			return kmip.Fail(kmip.KindTooMany, "%s has more than %d instances", at, maxInstances)
		}
		if err := checkAttributeValue(at); err != nil {
			return err
		}
	}
	return nil
}

// checkAttributeValue refuses values that no object can have.
func checkAttributeValue(at kmip.Attribute) error {
	switch at.Tag {
	case kmip.TagName:
		n := kmip.NameOf(at.Value)
		if n.Value == "" || len(n.Value) > maxNameBytes {
			return kmip.Fail(kmip.KindAttributeValue, "a Name has 1 to %d bytes", maxNameBytes)
		}
	case kmip.TagObjectGroup:
		if len(at.Value.Bytes) == 0 {
			return kmip.Fail(kmip.KindAttributeValue, "an Object Group has a name")
		}
	case kmip.TagCryptographicLength:
		if at.Value.Int < 0 {
			return kmip.Fail(kmip.KindAttributeValue, "Cryptographic Length is negative")
		}
	case kmip.TagLink:
		if l := kmip.LinkOf(at.Value); l.Target == "" || l.Type == 0 {
			return kmip.Fail(kmip.KindAttributeValue, "a Link has a type and names an object")
		}
	case kmip.TagApplicationSpecificInformation:
		if _, ok := at.Value.Field(kmip.TagApplicationNamespace); !ok {
			return kmip.Fail(kmip.KindAttributeValue, "Application Specific Information names an Application Namespace")
		}
		if _, ok := at.Value.Field(kmip.TagApplicationData); !ok { // Query lists the namespaces: there are none
			return kmip.Fail(kmip.KindNamespace, "the server makes no Application Data for this Application Namespace")
		}
	case kmip.TagUsageLimits:
		if total, ok := at.Value.Field(kmip.TagUsageLimitsTotal); !ok || total.Int < 0 {
			return kmip.Fail(kmip.KindAttributeValue, "Usage Limits have a Total that is not negative")
		}
	}
	return nil
}

const maxNameBytes = 4096

// checkDates refuses a change of dates to an order that the specification
// forbids (§4.40, §4.41); any other order is allowed. Dates that nobody changes
// may stand in any order: Activate and Revoke set theirs to the present.
func checkDates(before, after kmip.Dates) error {
	ordered := func(first, second time.Time) bool { return first.IsZero() || second.IsZero() || !second.Before(first) }
	switch {
	case !ordered(after.Activation, after.ProcessStart) &&
		(!after.Activation.Equal(before.Activation) || !after.ProcessStart.Equal(before.ProcessStart)):
		return kmip.Fail(kmip.KindAttributeValue, "Process Start Date lies before Activation Date")
	case !ordered(after.ProtectStop, after.Deactivation) &&
		(!after.ProtectStop.Equal(before.ProtectStop) || !after.Deactivation.Equal(before.Deactivation)):
		return kmip.Fail(kmip.KindAttributeValue, "Protect Stop Date lies after Deactivation Date")
	}
	return nil
}

// make turns a newborn into a record with all attributes that creation sets
// (§4, "when implicitly set"), and seals its value.
func (s *Service) make(ctx context.Context, sc *Scope, n newborn) (*managed, error) {
	if n.imported {
		if err := checkValues(n.attrs); err != nil {
			return nil, err
		}
	} else {
		var converted *kmip.Object
		var err error
		if !n.resident {
			n, converted, err = inRequestedFormat(sc, n)
			defer converted.Destroy()
		}
		if err != nil {
			return nil, err
		}
		if n.attrs, err = matchGenerator(n); err != nil {
			return nil, err
		}
		if err := checkGiven(n.attrs); err != nil {
			return nil, err
		}
		if err := checkDates(n.dates, n.attrs.Dates()); err != nil {
			return nil, err
		}
	}
	uid := n.uid
	if uid == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, err
		}
		uid = id.String()
	}
	m := &managed{row: store.Object{
		Domain: sc.Domain, UID: uid, Type: uint32(n.typ), Creator: cmp.Or(sc.creator, sc.Principal.Actor()),
		Initial: initialDate(n, sc.Now).Truncate(time.Microsecond), Revision: 1, MaterialVersion: 1,
	}}
	if r := n.replaces; r != nil {
		m.row.Creator, m.row.Revision, m.row.MaterialVersion = r.Creator, sc.revision(*r), r.MaterialVersion+1
	}
	short := sha256.Sum256([]byte(uid))
	a := kmip.Attributes{}
	put := func(i kmip.Item) { a = a.Set(i) }
	put(kmip.Text(kmip.TagUniqueIdentifier, uid))
	put(kmip.ByteString(kmip.TagShortUniqueIdentifier, short[:]))
	put(kmip.Enumeration(kmip.TagObjectType, n.typ))
	class := kmip.ObjectClassUser
	if n.system {
		class = kmip.ObjectClassSystem
	}
	put(kmip.Enumeration(kmip.TagObjectClass, class))
	if n.algorithm != 0 {
		put(kmip.Enumeration(kmip.TagCryptographicAlgorithm, n.algorithm))
	}
	if n.length != 0 {
		put(kmip.Integer(kmip.TagCryptographicLength, n.length))
	}
	if n.typ == kmip.ObjectTypeCertificate {
		var err error
		if a, err = certificateAttributes(a, n.value); err != nil {
			return nil, err
		}
	}
	for _, alg := range n.signatures {
		a = a.Add(kmip.NewAttribute(kmip.Enumeration(kmip.TagDigitalSignatureAlgorithm, alg)))
	}
	for _, at := range n.attrs {
		value := at
		if !n.imported || at.Tag == kmip.TagName {
			value = normal(at)
		}
		if rule, _ := kmip.RuleOf(at.AttributeID); !rule.Multi {
			a = a.Set(value.Value)
		} else if !n.imported || !slices.ContainsFunc(a.Instances(at.AttributeID), func(has kmip.Attribute) bool { return has.Value.Equal(value.Value) }) {
			a = a.Add(value)
		}
	}
	if !n.imported || !a.Has(kmip.TagInitialDate) {
		put(kmip.DateTime(kmip.TagInitialDate, sc.Now))
	}
	if !n.imported || !a.Has(kmip.TagLastChangeDate) {
		put(kmip.DateTime(kmip.TagLastChangeDate, sc.Now))
	}
	if n.generated {
		put(kmip.DateTime(kmip.TagOriginalCreationDate, sc.Now))
		if n.resident { // the token's
			put(kmip.Structure(kmip.TagRandomNumberGenerator, kmip.Enumeration(kmip.TagRNGAlgorithm, kmip.RNGAlgorithmUnspecified)))
		} else {
			put(randomNumberGenerator())
		}
	}
	put(kmip.Interval(kmip.TagLeaseTime, s.lease))
	if !a.Has(kmip.TagCryptographicUsageMask) && hasUsageMask(n) {
		put(kmip.Mask(kmip.TagCryptographicUsageMask, defaultMask(n.typ)))
	}
	if !n.imported || !a.Has(kmip.TagFresh) {
		put(kmip.Boolean(kmip.TagFresh, true))
	}
	if !a.Has(kmip.TagObjectGroup) && !n.system {
		put(kmip.Text(kmip.TagObjectGroup, defaultGroup))
	}
	if n.format != 0 {
		put(kmip.Enumeration(kmip.TagKeyFormatType, n.format))
	}
	if n.typ == kmip.ObjectTypeOpaqueObject {
		put(kmip.Enumeration(kmip.TagOpaqueDataType, n.value.OpaqueDataType))
	}
	storage := kmip.ProtectionStorageMaskSoftware
	if n.resident {
		storage = kmip.ProtectionStorageMaskHardware
	}
	put(kmip.Mask(kmip.TagProtectionStorageMask, storage))
	if n.value.Key != nil && !n.value.HasValue() {
		put(kmip.Boolean(kmip.TagKeyValuePresent, false))
	}
	a = splitAttributes(a, n.value.Split)
	a = credentialAttributes(a, n)
	if err := checkQuantumSafe(a); err != nil {
		return nil, err
	}
	a = secrecy(a)
	a, err := s.withDigests(a, n)
	if err != nil {
		return nil, err
	}
	if !n.system {
		if st, err := s.standing(ctx, sc.Domain); err != nil {
			return nil, err
		} else if st.hardware && !n.resident && livesInTokens(n.typ) {
			return nil, kmip.Fail(kmip.KindStorageMask, "the keys of this domain live in hardware, and one that was not made there cannot")
		}
		if err := s.mayCreate(ctx, sc, n, a); err != nil {
			return nil, err
		}
		if err := s.constrained(ctx, sc.Domain, n.typ, a); err != nil {
			return nil, err
		}
	}
	m.attrs = a
	m.state = lifecycle.Initial(a.Dates(), sc.Now)
	if err := s.sealMaterial(ctx, m, n.value); err != nil {
		return nil, err
	}
	return m, s.write(ctx, m)
}

// defaultGroup is the reserved name of the group of objects whose creator names
// none (1.4 §3.33).
const defaultGroup = "default"

// normal writes values that versions write differently in one form.
func normal(at kmip.Attribute) kmip.Attribute {
	at.Value = at.Value.Clone()
	switch at.Tag {
	case kmip.TagName:
		at.Value = kmip.NameOf(at.Value).Item()
	case kmip.TagUsageLimits:
		u := kmip.UsageLimitsOf(at.Value)
		u.Count = u.Total
		if u.Unit == 0 {
			u.Unit = kmip.UsageLimitsUnitByte
		}
		at.Value = u.Item()
	}
	return at
}

// secrecy sets Sensitive, Extractable and their history (§4.55, §4.23).
func secrecy(a kmip.Attributes) kmip.Attributes {
	if !a.Has(kmip.TagSensitive) {
		a = a.Set(kmip.Boolean(kmip.TagSensitive, false))
	}
	if !a.Has(kmip.TagExtractable) {
		a = a.Set(kmip.Boolean(kmip.TagExtractable, true))
	}
	if !a.Has(kmip.TagAlwaysSensitive) {
		a = a.Set(kmip.Boolean(kmip.TagAlwaysSensitive, a.Bool(kmip.TagSensitive)))
	}
	if a.Has(kmip.TagNeverExtractable) {
		return a
	}
	return a.Set(kmip.Boolean(kmip.TagNeverExtractable, !a.Bool(kmip.TagExtractable)))
}

// defaultMask is the usage mask of an object whose client gave none, as old
// clients do: everything that such an object can be used for.
func defaultMask(t kmip.ObjectType) kmip.CryptographicUsageMask {
	switch t {
	case kmip.ObjectTypeSymmetricKey:
		return kmip.CryptographicUsageMaskEncrypt | kmip.CryptographicUsageMaskDecrypt
	case kmip.ObjectTypePublicKey, kmip.ObjectTypeCertificate:
		return kmip.CryptographicUsageMaskEncrypt | kmip.CryptographicUsageMaskVerify
	case kmip.ObjectTypePrivateKey:
		return kmip.CryptographicUsageMaskDecrypt | kmip.CryptographicUsageMaskSign
	}
	return 0
}

// randomNumberGenerator describes what makes keys here: the AES-256 CTR DRBG
// of the Go cryptographic module (SP 800-90A).
func randomNumberGenerator() kmip.Item {
	return kmip.Structure(kmip.TagRandomNumberGenerator,
		kmip.Enumeration(kmip.TagRNGAlgorithm, kmip.RNGAlgorithmDRBG),
		kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmAES),
		kmip.Integer(kmip.TagCryptographicLength, 256),
		kmip.Enumeration(kmip.TagDRBGAlgorithm, kmip.DRBGAlgorithmCTR))
}

// insert plans the change that adds new objects.
func (s *Service) insert(objects ...*managed) store.Change {
	var c store.Change
	for _, m := range objects {
		c.Insert = append(c.Insert, m.row)
		c.Take = append(c.Take, m.names()...)
		c.AddSides = append(c.AddSides, m.sides()...)
		if u, ok := m.attrs.Get(kmip.TagUsageLimits); ok {
			left := kmip.UsageLimitsOf(u).Count
			c.Counters = append(c.Counters, store.CounterChange{Domain: m.row.Domain, UID: m.row.UID, SetUsage: &left})
		}
	}
	return c
}

// names are the names that the object holds in its domain.
func (m *managed) names() []store.Name {
	var names []store.Name
	for _, v := range m.attrs.Names() {
		n := store.Name{Domain: m.row.Domain, Value: v, UID: m.row.UID}
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// sides are the rows by which the object is found besides its columns, one of
// which holds the first group.
func (m *managed) sides() []store.SideRow {
	var rows []store.SideRow
	add := func(kind, value string) {
		rows = append(rows, store.SideRow{Domain: m.row.Domain, Side: store.Side{UID: m.row.UID, Kind: kind, Value: value}})
	}
	if m.lives != "" {
		add(store.SideToken, m.lives)
	}
	if rotates(m.attrs) {
		add(store.SideRotate, automatic)
	}
	first := true
	for _, at := range m.attrs {
		switch at.Tag {
		case kmip.TagObjectGroup:
			if !first {
				add(store.SideGroup, at.Value.Text())
			}
			first = false
		case kmip.TagLink:
			add(store.SideLink, kmip.LinkOf(at.Value).Target)
		case kmip.TagCredentialLink, kmip.TagGroupLink, kmip.TagPasswordLink:
			add(store.SideLink, at.Value.Text())
		}
		if key := credentialKey(m, at); key != "" {
			add(store.SideCredential, key)
		}
	}
	return rows
}

// diff plans the changes of names and sides between two states of an object.
func diff(c *store.Change, before, after *managed) {
	c.Release, c.Take = changed(c.Release, c.Take, before.names(), after.names())
	c.DropSides, c.AddSides = changed(c.DropSides, c.AddSides, before.sides(), after.sides())
}

// changed appends what is in before only to gone, and in after only to come.
func changed[T comparable](gone, come, before, after []T) ([]T, []T) {
	for _, v := range before {
		if !slices.Contains(after, v) {
			gone = append(gone, v)
		}
	}
	for _, v := range after {
		if !slices.Contains(before, v) {
			come = append(come, v)
		}
	}
	return gone, come
}

// checkValues refuses values that no object can have.
func checkValues(attrs kmip.Attributes) error {
	if len(attrs) > maxAttributes {
		return kmip.Fail(kmip.KindTooMany, "an object has at most %d attributes", maxAttributes)
	}
	for _, at := range attrs {
		if err := checkAttributeValue(at); err != nil {
			return err
		}
	}
	return nil
}

// hasUsageMask tells which objects always have a Cryptographic Usage Mask
// (§4.17).
func hasUsageMask(n newborn) bool {
	switch n.typ {
	case kmip.ObjectTypeOpaqueObject, kmip.ObjectTypeTemplate, kmip.ObjectTypeCertificateRequest:
		return false
	}
	return !n.system
}

// splitAttributes sets what KMIP 3.0 tells of a split key as attributes.
func splitAttributes(a kmip.Attributes, p *kmip.SplitPart) kmip.Attributes {
	if p == nil {
		return a
	}
	a = a.Set(kmip.Integer(kmip.TagSplitKeyParts, p.Parts)).Set(kmip.Integer(kmip.TagKeyPartIdentifier, p.Identifier)).
		Set(kmip.Integer(kmip.TagSplitKeyThreshold, p.Threshold)).Set(kmip.Enumeration(kmip.TagSplitKeyMethod, p.Method))
	if p.Polynomial != 0 {
		a = a.Set(kmip.Enumeration(kmip.TagSplitKeyPolynomial, p.Polynomial))
	}
	return a
}
