/** Collections of documents, and notes on sessions and messages (metamessages). */

import type { List, NumberedPage } from "../pagination.js";
import { path, type RequestOptions, type Transport } from "../transport.js";
import type { Collection, Document, Ended, Metadata, Metamessage, NumberedArgs, UserRef } from "../types.js";
import { fields, Resource, userPath } from "./resource.js";

type CollectionRef = UserRef & { collectionId: string };
type DocumentRef = CollectionRef & { documentId: string };

function collectionPath(ref: CollectionRef): string {
  return userPath(ref) + path`/collections/${ref.collectionId}`;
}

function documentPath(ref: DocumentRef): string {
  return collectionPath(ref) + path`/documents/${ref.documentId}`;
}

export class Documents extends Resource {
  create(args: CollectionRef & { content: string; metadata?: Metadata }, options?: RequestOptions): Promise<Document> {
    return this.write("POST", `${collectionPath(args)}/documents`, { body: fields(args, "collectionId") }, options);
  }

  list(args: CollectionRef & NumberedArgs, options?: RequestOptions): List<Document, NumberedPage<Document>> {
    const { collectionId: _, ...rest } = args;
    return this.numbered(`${collectionPath(args)}/documents`, rest, options);
  }

  get(args: DocumentRef, options?: RequestOptions): Promise<Document> {
    return this.read(documentPath(args), {}, options);
  }

  update(args: DocumentRef & { content?: string; metadata?: Metadata }, options?: RequestOptions): Promise<Document> {
    return this.write("PUT", documentPath(args), { body: fields(args, "collectionId", "documentId") }, options);
  }

  delete(args: DocumentRef, options?: RequestOptions): Promise<Ended> {
    return this.write("DELETE", documentPath(args), {}, options);
  }

  /** Return the documents that are nearest to a query. */
  query(
    args: CollectionRef & { query: string; topK?: number; filter?: Metadata },
    options?: RequestOptions,
  ): Promise<Document[]> {
    return this.ask(`${collectionPath(args)}/documents/query`, { body: fields(args, "collectionId") }, options);
  }
}

export class Collections extends Resource {
  readonly documents: Documents;

  /** @internal */
  constructor(transport: Transport) {
    super(transport);
    this.documents = new Documents(transport);
  }

  create(args: UserRef & { name: string; metadata?: Metadata }, options?: RequestOptions): Promise<Collection> {
    return this.write("POST", `${userPath(args)}/collections`, { body: fields(args) }, options);
  }

  get(args: CollectionRef, options?: RequestOptions): Promise<Collection> {
    return this.read(`${userPath(args)}/collections`, { collectionId: args.collectionId }, options);
  }

  getByName(args: UserRef & { name: string }, options?: RequestOptions): Promise<Collection> {
    return this.read(userPath(args) + path`/collections/name/${args.name}`, {}, options);
  }

  list(args: UserRef & NumberedArgs, options?: RequestOptions): List<Collection, NumberedPage<Collection>> {
    return this.numbered(`${userPath(args)}/collections`, args, options);
  }

  update(args: CollectionRef & { name?: string; metadata?: Metadata }, options?: RequestOptions): Promise<Collection> {
    return this.write("PUT", collectionPath(args), { body: fields(args, "collectionId") }, options);
  }

  delete(args: CollectionRef, options?: RequestOptions): Promise<Ended> {
    return this.write("DELETE", collectionPath(args), {}, options);
  }
}

interface MetamessageFields {
  metamessageType?: string;
  sessionId?: string;
  messageId?: string;
}

export class Metamessages extends Resource {
  create(
    args: UserRef & MetamessageFields & { metamessageType: string; content: string; metadata?: Metadata },
    options?: RequestOptions,
  ): Promise<Metamessage> {
    return this.write("POST", `${userPath(args)}/metamessages`, { body: noted(args) }, options);
  }

  list(
    args: UserRef & NumberedArgs & MetamessageFields,
    options?: RequestOptions,
  ): List<Metamessage, NumberedPage<Metamessage>> {
    return this.numbered(`${userPath(args)}/metamessages`, args, options, { sessionId: args.sessionId });
  }

  get(args: UserRef & { metamessageId: string }, options?: RequestOptions): Promise<Metamessage> {
    return this.read(userPath(args) + path`/metamessages/${args.metamessageId}`, {}, options);
  }

  update(
    args: UserRef & MetamessageFields & { metamessageId: string; metadata?: Metadata },
    options?: RequestOptions,
  ): Promise<Metamessage> {
    const address = userPath(args) + path`/metamessages/${args.metamessageId}`;
    return this.write("PUT", address, { body: noted(args) }, options);
  }
}

/** The session is part of a metamessage, not of its address. */
function noted(args: MetamessageFields): object {
  return { ...fields(args, "metamessageId"), sessionId: args.sessionId };
}
