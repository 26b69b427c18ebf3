// Package storetest is the suite that every postern.Store has to pass:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t testing.TB) postern.Store { return open(t) })
//	}
//
// It uses nothing but the interface. What a Store reads that none of its methods
// writes, such as legacy refresh tokens, is for its own tests.
package storetest

import (
	"testing"

	"github.com/postern-auth/postern"
)

// Run runs the suite, each test in parallel with the others on an empty Store of
// its own. open returns one, and has it closed when its test ends.
func Run(t *testing.T, open func(t testing.TB) postern.Store) {
	for name, test := range map[string]func(*testing.T, postern.Store){
		"fixtures leave no field at zero": fixturesAreFull,
		"what is missing is ErrNoRow":     missing,
		"what is missing may be removed":  removedTwice,

		"a user round-trips whole":                          userRoundTrip,
		"a user round-trips without what is optional":       userRoundTripBare,
		"identities come oldest first":                      identitiesInOrder,
		"metadata keeps its numbers and texts":              metadataRoundTrip,
		"metadata that is no object counts as empty":        metadataNoObject,
		"a user is found by address without regard to case": findByEmail,
		"a user is found by number":                         findByPhone,
		"one address, number, id and identity to a user":    uniqueUsers,
		"addresses of SSO users may repeat":                 ssoAddressesRepeat,
		"EmailTaken and PhoneTaken except one user":         taken,
		"an update changes every field":                     updateEverything,
		"an update empties every field":                     updateToNothing,
		"an update adds, alters and removes identities":     updateIdentities,
		"an update that is refused changes nothing":         updateRefused,
		"an update cannot take what another has":            updateTaken,
		"updates at once are all there":                     updatesAtOnce,
		"a user is found by an identity":                    findByIdentity,
		"users are found by addresses":                      usersByEmails,
		"anonymous users are dropped once old":              dropAnonymous,
		"deletion takes along all that hangs on a user":     deleteUser,

		"lists are ordered, also among equals":           listOrder,
		"lists page by offset":                           listByOffset,
		"lists page by cursor":                           listByCursor,
		"lists hold one audience and no identities":      listAudience,
		"filters match parts of addresses and names":     listFilter,
		"whole addresses find those who have them":       listWholeAddress,
		"lists may be empty":                             listEmpty,
		"a session round-trips whole":                    sessionRoundTrip,
		"a session round-trips without what is optional": sessionRoundTripBare,
		"a sign-in with a password is all there or not":  openSession,
		"a caller's session is its own":                  callersSession,
		"a user's sessions are all listed":               userSessions,
		"sessions end":                                   endSessions,
		"a rotation moves the counter once":              rotateSession,
		"one of many rotations wins":                     rotationsAtOnce,

		"a factor round-trips whole":                      factorRoundTrip,
		"a factor round-trips without what is optional":   factorRoundTripBare,
		"a user has one factor to a name and to a number": factorTaken,
		"an update of a factor changes what may change":   factorUpdate,
		"updates of a factor at once are all there":       factorUpdatesAtOnce,
		"a factor takes its challenges along":             deleteFactor,
		"unverified factors are dropped once old":         dropUnverifiedFactors,
		"a challenge round-trips, whole and bare":         challengeRoundTrip,
		"challenges at the same time are all stored":      challengesAtOnce,
		"one of many who take a challenge wins":           takeChallenge,
		"challenges are dropped once old":                 dropChallenges,
		"recovery codes round-trip":                       recoveryCodesRoundTrip,
		"recovery codes are among the factors":            recoveryCodesAreAFactor,
		"one of many who take a recovery code wins":       takeRecoveryCode,
		"recovery codes are replaced, and dropped":        replaceRecoveryCodes,
		"passkeys round-trip, whole and bare":             passkeyRoundTrip,
		"passkeys come oldest first":                      passkeysInOrder,
		"one passkey to a credential":                     passkeyTaken,
		"an update of a passkey changes what may change":  passkeyUpdate,
		"updates of a passkey at once are all there":      passkeyUpdatesAtOnce,
		"passkeys belong to a user, and go with it":       passkeysAreTheUsers,
		"a ceremony round-trips, whole and bare":          ceremonyRoundTrip,
		"one of many who take a ceremony wins":            takeCeremony,
		"ceremonies are dropped once expired":             dropCeremonies,
		"a raise renews a session, and adds how":          raiseSession,
		"raises at once all count":                        raisesAtOnce,
		"sessions that a factor raised are lowered":       lowerSessions,
		"sessions that no factor raised end":              endLowSessions,
		"sessions that are over are dropped":              dropSessions,
		"one-time tokens are dropped once old":            dropOneTimeTokens,

		"one-time tokens of each kind round-trip":          tokenRoundTrip,
		"a one-time token replaces the older of its kind":  tokenReplaced,
		"a one-time token is taken once":                   tokenTaken,
		"one of many who take a one-time token wins":       takesAtOnce,
		"a new one-time token stays if an older is taken":  takeAndPutAtOnce,
		"all one-time tokens of a user are dropped":        tokensDropped,
		"an update leaves one-time tokens alone":           tokensNotUpdated,
		"of links that are the same the newest is found":   newestLink,
		"a transaction that fails puts and takes no token": tokenTxFails,
		"users are found by an address that waits":         findByNewEmail,
		"users are found by a number that waits":           findByNewPhone,
		"a flow round-trips whole":                         flowRoundTrip,
		"a flow round-trips without what is optional":      flowRoundTripBare,
		"the newest flow of a user and method is found":    newestFlow,
		"an auth code is issued":                           issueAuthCode,
		"one of many who return to a flow wins":            returnToFlow,
		"one of many who take a flow wins":                 takeFlow,
		"flows are dropped once old":                       dropFlows,
		"a counter counts, and starts again":               countRestarts,
		"counts at once are all different":                 countsAtOnce,
		"a counter's time is claimed once it is over":      claimOver,
		"one of many claims wins":                          claimsAtOnce,
		"a claim leaves the count alone":                   claimAndCount,
		"counters are dropped":                             dropCounters,
		"a transaction goes on after a claim in vain":      txAfterClaim,

		"a bucket empties, and fills again":           spendAndRefill,
		"one token is taken once":                     spendsAtOnce,
		"tokens come back with a transaction undone":  spendInTx,
		"full buckets are dropped":                    dropBuckets,
		"an event round-trips to all who wait for it": eventRoundTrip,
		"a delivery is due again, but not before":     deliveriesDue,
		"one of many who take a delivery gets it":     takeDeliveries,
		"an event goes when nobody waits for it":      endDeliveries,
		"a delivery is put off by who has it":         putOffDelivery,
		"events are dropped once old":                 dropEvents,
		"a transaction that fails keeps no events":    eventsInTx,

		"a custom provider round-trips whole":   customProviderRoundTrip,
		"custom providers are listed by type":   customProviderList,
		"a custom provider is updated":          customProviderUpdate,
		"one custom provider to an identifier":  customProviderTaken,
		"custom providers keep to their rules":  customProviderRules,
		"keys round-trip, newest first":         keyRoundTrip,
		"one current key to a purpose":          oneCurrentKey,
		"one of many keys becomes the current":  keysAtOnce,
		"keys are dropped once retired":         dropKeys,
		"the audit log takes entries":           auditLog,
		"the audit log is paged, newest first":  auditPages,
		"the audit log is searched":             auditSearch,
		"a transaction keeps all":               txKeeps,
		"a transaction that fails keeps none":   txFails,
		"a transaction that panics keeps none":  txPanics,
		"a transaction goes on after ErrNoRow":  txAfterNoRow,
		"a transaction reads what it wrote":     txReadsItself,
		"transactions at once do not disturb":   txNeighbours,
		"a cancelled context leaves no trace":   cancelled,
		"a context cancelled halfway is honest": cancelledInTx,

		"a store answers, and is not changed by it": pings,

		"odd texts round-trip":                     oddTexts,
		"texts that no database takes are refused": badTexts,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}
