"""Services with a selector: EndpointSlices and Endpoints made from their pods."""
