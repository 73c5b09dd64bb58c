//go:build tools

package main

// The modules whose shapes are read. They are required here and nowhere else,
// so that the server never depends on a client library.
import (
	_ "github.com/Azure/azure-sdk-for-go/sdk/batch/azbatch"
	_ "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	_ "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7"
	_ "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	_ "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armsubscriptions"
)
