/** Asking a connected peer where it listens for carriers, as a request/response protocol. docs/protocol.md, section Carriers */
import type { RequestProtocol } from '../rpc/protocol.ts'
import {
  CARRIER_OFFER_BYTES,
  CARRIER_PROTOCOL,
  decodeCarrierOffer,
  decodeCarrierRequest,
  encodeCarrierOffer,
  encodeCarrierRequest,
  MAX_CARRIER_REQUEST_BYTES,
  type CarrierOffer,
} from '../wire/carrier-messages.ts'

/** No response: the peer has none for us. */
export const CARRIER_OFFERS: RequestProtocol<{ readonly version: number }, CarrierOffer> = {
  id: CARRIER_PROTOCOL,
  timeoutMs: 5_000,
  request: {
    maxBytes: MAX_CARRIER_REQUEST_BYTES,
    encode: encodeCarrierRequest,
    decode: decodeCarrierRequest,
  },
  response: {
    maxBytes: CARRIER_OFFER_BYTES,
    encode: encodeCarrierOffer,
    decode: decodeCarrierOffer,
  },
}
