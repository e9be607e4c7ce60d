package model

// bug is a mistake that can be planted into the wiring around the rules, as systems of this kind have made it. The numbers
// are those of the list of traps in docs/guarantees.md.
type bug int

const (
	none bug = iota
	saveAndPublishApart
	publishBeforeCommit
	cursorPassesFailures
	inboxBeforeEffect
	ackOnError
	trustPublished
	chargeBeforeSave
	newKeyPerTry
	eventNamedByConsumer
	keyOutlivesFailure
	lookRunSave
	redeliveryResets
	timerWithoutLook
	failureIsSuccess
	checkThenTake
	writeWithoutLock
	webhookAckedUnsaved
	noReconcile
	noCompensation
	lastArrivalWins
	timeOutIsRefusal
	refundKeyPerTry
	closeForgotten
	refundRenamed
)

// bugs is the table that the suite has to see through.
var bugs = []struct {
	bug  bug
	trap int // 0: not from the list
	name string
}{
	{saveAndPublishApart, 8, "what is saved and what is told are two acts"},
	{publishBeforeCommit, 10, "facts are told before the transaction is committed"},
	{cursorPassesFailures, 11, "a failed event counts as handled in the feed"},
	{inboxBeforeEffect, 12, "the inbox is written before the effect"},
	{ackOnError, 13, "a handler's error is acknowledged"},
	{trustPublished, 15, "published means delivered: there is no feed"},
	{chargeBeforeSave, 17, "the card is charged before the attempt is saved"},
	{newKeyPerTry, 18, "each try has a new key at the provider"},
	{eventNamedByConsumer, 19, "events are named where they arrive"},
	{keyOutlivesFailure, 21, "the key stays though the command failed"},
	{lookRunSave, 22, "look for the key, run, save the key"},
	{redeliveryResets, 23, "a redelivery begins the order anew"},
	{timerWithoutLook, 24, "a timer ends the order without looking again"},
	{failureIsSuccess, 26, "a failed payment counts as one that succeeded"},
	{checkThenTake, 27, "the stock is checked now and taken later"},
	{writeWithoutLock, 28, "the later of two writers wins"},
	{webhookAckedUnsaved, 29, "a webhook is answered though it was not saved"},
	{noReconcile, 30, "nobody asks the provider again"},
	{noCompensation, 39, "an order that ends returns no money"},
	{lastArrivalWins, 44, "the status is that of the fact that came last"},
	{timeOutIsRefusal, 0, "a time-out counts as a refusal"},
	{refundKeyPerTry, 0, "each try of a refund has a new key"},
	{refundRenamed, 0, "a refund that is asked for again is another one"},
	{closeForgotten, 0, "an order that is closed before it was heard of is forgotten"},
}
