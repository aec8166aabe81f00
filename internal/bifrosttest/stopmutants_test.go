package bifrosttest

// stopMutants are bugs planted in what becomes of a range that cannot be read on.
var stopMutants = []mutant{
	{"a first stop behind much thrown away", "what is worth an object is archived at once", []edit{{
		rules + "archive.go", "return rawBytes >= leastStopped || row.StoppedAt", "return row.StoppedAt",
	}}},
	{"an object of every stop", "a broker that is away for a moment must not make small objects", []edit{{
		rules + "archive.go", "row.StoppedAt == position ||", "row.StoppedAt <= position ||",
	}}},
	{"a stop elsewhere counts", "only at the same offset it is a lasting error", []edit{{
		rules + "archive.go", "row.StoppedAt == position ||", "row.StoppedAt > 0 ||",
	}}},
	{"a second stop does not count", "a lasting error must not cost what lies before it", []edit{{
		rules + "archive.go", "row.StoppedAt == position ||", "",
	}}},
	{"patience near a loss", "what Kafka may delete soon is archived while it can be", []edit{{
		rules + "archive.go", " || timeToLoss(row.LossAt, a.Now()) < a.NearLoss", "",
	}}},
	{"no limit taken for a near one", "what nobody deletes is near no loss", []edit{{
		rules + "archive.go", "timeToLoss(row.LossAt, a.Now()) < a.NearLoss", "row.LossAt.Sub(a.Now()) < a.NearLoss",
	}}},
	{"a deleted topic read once more", "nobody can read it again", []edit{{
		rules + "archive.go", " || errors.Is(failure, ErrWrongTopicID) {", " {",
	}}},
	{"a source that is waited for beyond the deadline", "what was read has to be brought to its end in time", []edit{{
		rules + "archive.go", "records.Next(reading)", "records.Next(ctx)",
	}}},
	{"any failure taken for a stop", "a bucket that refuses says nothing about Kafka", []edit{{
		rules + "archive.go", "				return fmt.Errorf(\"write offset %d to %s: %w\", batch.Records[i].Offset, a.key, err)", "				return &stoppedError{counted.position, err}",
	}}},
	{"accounts that do not add up taken for a stop", "who miscounts is not believed", []edit{{
		rules + "archive.go", "		if err := counted.addBatch(batch, row.Range); err != nil {\n			return err\n", "		if err := counted.addBatch(batch, row.Range); err != nil {\n			return &stoppedError{counted.position, err}\n",
	}}},
	{"the reason lost", "an object that ends early says why", []edit{{
		rules + "archive.go", "		a.stopped = err // what was read", "		// what was read",
	}}},
	{"the stop not remembered", "two attempts have to meet at one offset", []edit{{
		rules + "work.go", "		StoppedAt: stoppedAt(failure, task.StartOffset)}\n", "	}\n",
	}}},
}
