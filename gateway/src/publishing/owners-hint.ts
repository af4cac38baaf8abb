/** Who may publish a package of the network, for those who ask as they would of a registry. */

export const OWNERS_HINT =
  'its owners are the keys in the trust file of each machine: "catalog trust add NAME FINGERPRINT" there adds one; see docs/trust.md'
