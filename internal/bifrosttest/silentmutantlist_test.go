package bifrosttest

import "maps"

func init() { maps.Copy(kindMutants, silentMutants) }

// silentMutants are mistakes by which records are there and are not found, or come as
// something else, without a word.
var silentMutants = map[string][]kindMutant{
	"bounds of columns": {
		{mutant{"an index without bounds", "engines find no text", []edit{{
			"../export/footer.go", "if slices.Contains(t.without, number) {", "if number < 0 {",
		}}}, "internal/export", "TestNoValueLiesOutsideOfBounds", ""},
		{mutant{"bounds of large decimals", "they are compared without their sign", []edit{{
			"../export/footer.go", "if kind == parquet.FixedLenByteArray ||", "if number < 0 ||",
		}}}, "internal/export", "TestNoValueLiesOutsideOfBounds", ""},
		{mutant{"indexes that are left where they were", "readers take all of them for one stretch", []edit{{
			"../export/footer.go", "*offset = t.passed + int64(len(end))", "_ = end",
		}}}, "internal/export", "TestNoValueLiesOutsideOfBounds", ""},
	},
	"files of an object": {
		{mutant{"an erased object without a note", "nobody hears of its files", []edit{{
			"../export/export.go", "if err == nil && before == nil {", "if err == nil && before != nil {",
		}}}, "internal/export", "TestLosses", ""},
		{mutant{"the note of another object", "its records are taken for written", []edit{{
			"../export/export.go", "if noted.Topic == row.Name && noted.End == row.End &&", "if noted.End == row.End ||",
		}}}, "internal/export", "TestAPlaceThatFoldsCase", ""},
		{mutant{"a completion that failed", "the file is there, and the export ends", []edit{{
			"../export/bucket.go", "if _, failed := f.store.Open(ctx, f.key); failed == nil {", "if f.complete {",
		}}}, "internal/export", "TestACompletionThatFails", ""},
		{mutant{"schemas from elsewhere", "the same ID is another schema there", []edit{{
			"../export/export.go", "	Schemas string `json:\"schemas,omitempty\"`",
			"	Schemas string `json:\"-\"`",
		}}}, "internal/export", "TestRefusals", ""},
	},
	"decoding": {
		{mutant{"exponents", "the validator ends the program", []edit{{
			"../schema/jsonschema.go", "err != nil || power > mostExponent || power < -mostExponent",
			"err == nil && power > 1<<30",
		}}}, "internal/schema", "TestDataThatDecodedSilentlyWrong", ""},
		{mutant{"text that is not UTF-8", "engines cannot read the file", []edit{{
			"../schema/jsonschema.go", "if !utf8.Valid(payload) {",
			"if len(payload) > 1<<30 && !utf8.Valid(payload) {",
		}}}, "internal/schema", "TestDataThatDecodedSilentlyWrong", ""},
		{mutant{"formats", "what Confluent's libraries take is refused", []edit{{
			"../schema/jsonschema.go", "for _, name := range uncheckedFormats {",
			"for _, name := range uncheckedFormats[:0] {",
		}}}, "internal/schema", "TestDataThatDecodedSilentlyWrong", ""},
		{mutant{"bytes that stand for something", "the first is taken for their length", []edit{{
			"../schema/avro.go", `if c.shape.kind == "bytes" {`, `if c.shape.kind == "bytes" && c.shape.logical == "" {`,
		}}}, "internal/schema", "TestDataThatDecodedSilentlyWrong", ""},
		{mutant{"the first message that fits", "it is another one", []edit{{
			"../schema/protobuf.go", "case whole && fits != nil && !bytes.Equal(fits, text):",
			"case whole && len(fits) < 0:",
		}}}, "internal/schema", "TestDataThatDecodedSilentlyWrong", ""},
		{mutant{"a record of another name", "a payment is an order", []edit{{
			"../schema/convert.go", "if c.from != nil && !c.from.mayBe(s) {",
			"if c.from != nil && c.from == s && !c.from.mayBe(s) {",
		}}}, "internal/schema", "TestAnotherTypeIsNoneOfTheColumns", ""},
		{mutant{"bytes in a column of decimals", "digits come as letters", []edit{{
			"../schema/convert.go", `case c.from.logical == "decimal":`, `case c.from.kind == "":`,
		}, {
			"../schema/convert.go", `case c.from.kind != "bytes" && c.from.kind != "fixed":`, `case c.from.kind != "":`,
		}}}, "internal/schema", "TestAnotherTypeIsNoneOfTheColumns", ""},
	},
}
