// Package main is the Transit engine of HashiCorp Vault with keys in memory, and nothing else of Vault: who may call what is
// said by two tokens on the command line, where Vault has policies.
//
//	transit -listen 127.0.0.1:8200 -encrypt TOKEN -decrypt TOKEN -key NAME
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	log "github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
)

const version = "1.21.4"

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	encrypt := flag.String("encrypt", "", "token that may encrypt")
	decrypt := flag.String("decrypt", "", "token that may encrypt and decrypt")
	key := flag.String("key", "backstay", "name of the key")
	show := flag.Bool("version", false, "print the version")
	flag.Parse()
	if *show {
		fmt.Println("transit " + version)
		return
	}
	storage := &logical.InmemStorage{}
	system := &logical.StaticSystemView{
		DefaultLeaseTTLVal: time.Hour, MaxLeaseTTLVal: time.Hour, ReplicationStateVal: consts.ReplicationUnknown,
	}
	config := &logical.BackendConfig{StorageView: storage, Logger: log.NewNullLogger(), System: system}
	engine, err := transit.Factory(context.Background(), config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	call := func(path string, data map[string]interface{}) (*logical.Response, error) {
		request := &logical.Request{Operation: logical.UpdateOperation, Path: path, Data: data, Storage: storage}
		return engine.HandleRequest(context.Background(), request)
	}
	if _, err := call("keys/"+*key, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	answer := func(w http.ResponseWriter, status int, body interface{}) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	http.HandleFunc("/v1/transit/", func(w http.ResponseWriter, r *http.Request) {
		path, token := strings.TrimPrefix(r.URL.Path, "/v1/transit/"), r.Header.Get("X-Vault-Token")
		may := token == *decrypt || (token == *encrypt && strings.HasPrefix(path, "encrypt/"))
		if !may {
			answer(w, 403, map[string][]string{"errors": {"1 error occurred:\n\t* permission denied\n\n"}})
			return
		}
		data := map[string]interface{}{}
		_ = json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&data)
		response, err := call(path, data)
		status, err := logical.RespondErrorCommon(&logical.Request{Operation: logical.UpdateOperation}, response, err)
		if err != nil {
			answer(w, status, map[string][]string{"errors": {err.Error()}})
			return
		}
		answer(w, 200, map[string]interface{}{"data": response.Data})
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe(*listen, nil))
	os.Exit(1)
}
